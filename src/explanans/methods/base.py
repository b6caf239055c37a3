"""What every attribution method looks like from outside."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from explanans.ops.targets import Target


class Method(Protocol):
    """A method that was made for one Explanandum.

    It leaves no hook behind, changes no training mode, and enables gradients itself if it needs them.
    """

    def __call__(self, images: Tensor, targets: Target, /, generator: torch.Generator | None = None) -> Tensor:
        """Normalised images (N, 3, H, W) and targets → raw maps (N, C, H, W).

        The map of a class that was not asked for is zero; the values of the others are not normalised. Targets
        follow :func:`explanans.ops.targets.multi_hot`, of which multi-hot (N, C) is the form to use in a loop. What a
        method draws at random comes from ``generator`` (None: torch's global one); most draw nothing.
        """
        ...
