"""Which classes of a photo are explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.ops.targets import Target, multi_hot


@dataclass(frozen=True)
class Selection:
    """The classes asked for; without them the k most probable; without k those that the classifier sees.

    A class is seen if its probability is at least ``threshold`` (sigmoid), or if it is the most probable one (softmax).

    Attributes:
        classes: by the one rule of :func:`explanans.ops.targets.multi_hot`, or None.
        top_k: from 1 up, or None; not together with ``classes``.
        threshold: in [0, 1].
    """

    classes: Target | None = None
    top_k: int | None = None
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise InputError(f"threshold={self.threshold} is a probability and must lie in [0, 1].")
        if self.top_k is not None and (self.top_k < 1 or self.classes is not None):
            given = "" if self.classes is None else " together with classes; give one of the two"
            raise InputError(f"top_k={self.top_k}{given}; top_k counts classes, from 1 up.")

    def requested(self, explanandum: Explanandum, images: int) -> Tensor | None:
        """``classes`` as bool (N, C) for all N images; None if the probabilities decide."""
        return None if self.classes is None else multi_hot(self.classes, explanandum.classes, images)

    def seen(self, explanandum: Explanandum, probabilities: Tensor) -> Tensor:
        """The classes chosen by their probabilities (N, C), as bool (N, C)."""
        top_k = self._top_k(explanandum)
        if top_k is None:
            return probabilities >= self.threshold
        chosen = probabilities.topk(min(top_k, explanandum.num_classes), dim=1).indices
        return torch.zeros_like(probabilities, dtype=torch.bool).scatter_(1, chosen, True)

    def rule(self, explanandum: Explanandum) -> str:
        """The rule in words, to go after "no" where nothing is chosen."""
        if self.classes is not None:
            return "classes asked for"
        top_k = self._top_k(explanandum)
        if top_k is None:
            return f"classes of probability {self.threshold:g} or more"
        return "the most probable class" if top_k == 1 else f"the {top_k} most probable classes"

    def to_dict(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "top_k": self.top_k}

    def _top_k(self, explanandum: Explanandum) -> int | None:
        return 1 if self.top_k is None and explanandum.activation == "softmax" else self.top_k
