"""Masks without a place in them: what a score is worth without any explanation."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.base import PairMethod, listed


@listed("constant_1", "constant 1", "raw", settings={"value": 1.0})
@listed("constant_half", "constant 0.5", "raw", settings={"value": 0.5})
@listed("constant_0", "constant 0", "raw", settings={"value": 0.0})
class Constant(PairMethod):
    """The same value at every pixel of every class asked for.

    Args:
        explanandum: names the classes; it is never asked.
        value: in [0, 1]. 0 hides the whole image, 1 keeps it.
    """

    def __init__(self, explanandum: Explanandum, value: float) -> None:
        if not 0 <= value <= 1:
            raise InputError(f"value={value!r} is no mask value; give a number in [0, 1].")
        self.explanandum = explanandum
        self.value = value

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return images.new_full((int(asked.sum()), *images.shape[-2:]), self.value)


@listed("constant_seen", "whole image if seen", "raw")
class WholeIfSeen(PairMethod):
    """The whole image for every class that the classifier sees, nothing for the others.

    It says what the classifier answers and nothing about where. Scores that it wins do not ask where: class specificity
    is one (a full mask keeps all of its class), so a method is worth reading there only beside this one.

    Args:
        explanandum: the classifier.
        threshold: a class is seen from this probability on, in [0, 1].
    """

    def __init__(self, explanandum: Explanandum, threshold: float = 0.5) -> None:
        if not 0 <= threshold <= 1:
            raise InputError(f"threshold={threshold!r} is no probability; give a number in [0, 1].")
        self.explanandum = explanandum
        self.threshold = threshold

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        with torch.no_grad():
            seen = self.explanandum.probabilities(images) >= self.threshold
        return seen[asked].to(images.dtype)[:, None, None].expand(-1, *images.shape[-2:])
