"""What methods that ask the classifier about altered pictures have in common: layout, pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.errors import InputError


def check_gradients_possible(method: str) -> None:
    """An :class:`InputError` under ``torch.inference_mode``, where nothing can enable gradients."""
    if torch.is_inference_mode_enabled():
        raise InputError(
            f"{method} needs gradients, which torch.inference_mode() forbids; call it outside, or use torch.no_grad() "
            "there."
        )


def layout(channels_last: bool) -> torch.memory_format:
    """The order in memory of the pictures that a classifier is given."""
    return torch.channels_last if channels_last else torch.contiguous_format


def working_dtype(images: Tensor) -> torch.dtype:
    """What masks and sums are kept in: the images' type, but never less than float32."""
    return torch.promote_types(images.dtype, torch.float32)
