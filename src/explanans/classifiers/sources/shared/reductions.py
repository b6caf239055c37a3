"""From boxes or pixels to one probability per class: what makes a classifier of a detector or a segmenter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from explanans.errors import InputError

Reduction = Literal["max", "noisy_or", "mean"]
REDUCTIONS: tuple[Reduction, ...] = ("max", "noisy_or", "mean")


def score_of_boxes(
    found: Sequence[Mapping[str, Any]], column_of: Callable[[Any], int | None], num_classes: int, reduce: Reduction
) -> Tensor:
    """Probability of each class from the boxes that were found; 0 where there is none.

    max: s_c = max_b s_b; noisy_or: s_c = 1 − Π_b (1 − s_b), the probability of at least one, if the boxes were
    independent. With several objects of a class max does not change when the best but one is hidden.

    Args:
        found: for each of N pictures "scores" in [0, 1] and "labels", one of each for every box, as torchvision's
            detectors return them; "boxes" are not looked at.
        column_of: from a label to its class in [0, num_classes), None for what is no class (background).

    Returns:
        (N, num_classes) in [0, 1].

    Raises:
        InputError: another form, scores outside [0, 1], or "mean", which means nothing for boxes.
    """
    if reduce == "mean":
        raise InputError("reduce='mean' is for pixels; boxes take 'max' or 'noisy_or'.")
    probabilities = torch.zeros(len(found), num_classes)
    for row, each in enumerate(found):
        if not isinstance(each, Mapping) or not {"scores", "labels"} <= each.keys():
            what = sorted(map(str, each)) if isinstance(each, Mapping) else type(each).__name__
            raise InputError(
                f"the detector returned {what} for a picture; expected a mapping with 'boxes', 'scores' and 'labels'."
            )
        scores, labels = _listed(each["scores"]), _listed(each["labels"])
        if len(scores) != len(labels):
            raise InputError(f"the detector returned {len(scores)} scores and {len(labels)} labels for a picture.")
        for score, label in zip(map(float, scores), labels, strict=True):
            if not 0 <= score <= 1:
                raise InputError(f"the detector returned the score {score:g}; expected probabilities in [0, 1].")
            column = column_of(label)
            if column is None:
                continue
            before = float(probabilities[row, column])
            probabilities[row, column] = max(before, score) if reduce == "max" else 1 - (1 - before) * (1 - score)
    return probabilities


def score_of_pixels(scores: Tensor, reduce: Reduction) -> Tensor:
    """Probability of each class from those of its pixels, (N, C, H, W) in [0, 1] → (N, C).

    max: the surest pixel; mean: the expected share of the picture that the class covers.

    Raises:
        InputError: "noisy_or": pixels of one object are anything but independent.
    """
    if reduce == "noisy_or":
        raise InputError("reduce='noisy_or' is for boxes; pixels take 'max' or 'mean'.")
    flat = scores.flatten(2)
    return flat.amax(2) if reduce == "max" else flat.mean(2)


def _listed(values: Any) -> list[Any]:
    return values.tolist() if hasattr(values, "tolist") else list(values)
