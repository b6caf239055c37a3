"""Which classes of a photo are explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.ops.targets import Target, multi_hot

SIGMOID, SOFTMAX = 0.5, 0.1
"""The thresholds where none is given."""
MOST = 3
"""Classes that are explained at most with softmax, where nobody says."""


@dataclass(frozen=True)
class Selection:
    """The classes asked for; without them the k most probable; without k those that the classifier sees.

    A class is seen if its probability is at least ``threshold``. Softmax shares 1 among all classes, so that with a
    thousand of them often none has a half: the most probable class counts as seen in any case, and where no threshold
    is given two more of at least 0.1.

    Attributes:
        classes: by the one rule of :func:`explanans.ops.targets.multi_hot`, or None.
        top_k: from 1 up, or None; not together with ``classes``.
        threshold: in [0, 1], or None for 0.5 with sigmoid and 0.1 with softmax.
    """

    classes: Target | None = None
    top_k: int | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(f"threshold={self.threshold} is a probability and must lie in [0, 1].")
        if self.top_k is not None and (self.top_k < 1 or self.classes is not None):
            given = "" if self.classes is None else " together with classes; give one of the two"
            raise InputError(f"top_k={self.top_k}{given}; top_k counts classes, from 1 up.")

    def requested(self, explanandum: Explanandum, images: int) -> Tensor | None:
        """``classes`` as bool (N, C) for all N images; None if the probabilities decide."""
        if self.classes is None:
            return None
        return multi_hot(self.classes, explanandum.classes, images, argument="classes")

    def seen(self, explanandum: Explanandum, probabilities: Tensor) -> Tensor:
        """The classes chosen by their probabilities (N, C), as bool (N, C)."""
        least = 0.0 if self.top_k is not None else self._threshold(explanandum)
        if self.top_k is None and explanandum.activation == "sigmoid":
            return probabilities >= least
        first = probabilities.topk(min(self._most(explanandum), explanandum.num_classes), dim=1)
        chosen = first.values >= least
        chosen[:, 0] = True
        return torch.zeros_like(probabilities, dtype=torch.bool).scatter_(1, first.indices, chosen)

    def rule(self, explanandum: Explanandum) -> str:
        """The rule in words, to go after "no" where nothing is chosen."""
        if self.classes is not None:
            return "classes asked for"
        if self.top_k is not None:
            return "the most probable class" if self.top_k == 1 else f"the {self.top_k} most probable classes"
        least = f"of probability {self._threshold(explanandum):g} or more"
        if explanandum.activation == "sigmoid":
            return f"classes {least}"
        others = f"up to {MOST - 1} others" if self.threshold is None else "all others"
        return f"the most probable class and {others} {least}"

    def to_dict(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "top_k": self.top_k}

    def _threshold(self, explanandum: Explanandum) -> float:
        if self.threshold is not None:
            return self.threshold
        return SIGMOID if explanandum.activation == "sigmoid" else SOFTMAX

    def _most(self, explanandum: Explanandum) -> int:
        if self.top_k is not None:
            return self.top_k
        return MOST if self.threshold is None else explanandum.num_classes
