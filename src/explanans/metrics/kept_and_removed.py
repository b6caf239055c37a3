"""What the classifier still sees in what a mask keeps, and in what it removes."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.shared.asking import Classify, answers, check_images, label_mean
from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import floating
from explanans.ops.masking import apply_mask


def kept_removed(
    classify: Classify, images: Tensor, mask: Tensor, background: Tensor, batch_size: int = 64
) -> tuple[Tensor, Tensor]:
    """The classifier's answers to what a mask keeps, x ⊙ m + b ⊙ (1 − m), and to what it removes, with 1 − m for m.

    A good mask keeps its class (high) and removes it (low): sufficiency and necessity of the evidence. Which
    background b hides pixels changes the numbers; name it with them. A mask with a NaN gives NaN, which
    :class:`KeptProbability` and its siblings count as the worst value.

    Args:
        classify: images (B, 3, H, W) → probabilities (B, C), sigmoid or softmax as the classifier was trained.
        images: normalised, (N, 3, H, W).
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        background: what hidden pixels become, as ``images``.
        batch_size: images per call of ``classify``.

    Returns:
        kept and removed probabilities, each (N, C).

    Raises:
        InputError: shapes that do not fit, a mask outside [0, 1].
    """
    mask = floating(mask, "mask")
    shape = tuple(images.shape)
    check_images(images, {"mask": (mask, (shape[0], *shape[2:])), "background": (background, shape)})
    if ((mask < 0) | (mask > 1)).any():
        raise InputError("mask has values outside [0, 1]; normalise a method's raw maps first.")
    count = len(images)

    def make(indices: Tensor) -> Tensor:
        of = indices % count
        return apply_mask(
            images[of], torch.where((indices < count)[:, None, None], mask[of], 1 - mask[of]), background[of]
        )

    kept, removed = answers(classify, 2 * count, make, batch_size, images).split(count)
    broken = mask.flatten(1).isnan().any(1)[:, None]
    return kept.masked_fill(broken, torch.nan), removed.masked_fill(broken, torch.nan)


def average_drop(whole: Tensor, kept: Tensor) -> Tensor:
    """max(0, p − q) / p for the probability p on the whole image and q on what the mask keeps, elementwise.

    Chattopadhyay et al., "Grad-CAM++" (WACV 2018), there in percent. Lower is better. 0 where p is 0, because nothing
    can drop; 1 where either is NaN. For an image with several labels give (N, C) probabilities and average with
    :func:`explanans.metrics.label_mean`. The full mask scores 0: read it beside the mask's area.

    Args:
        whole, kept: of one shape, (N,) or (N, C), in [0, 1].

    Returns:
        as ``whole``, in [0, 1].

    >>> import torch
    >>> average_drop(torch.tensor([0.8, 0.5]), torch.tensor([0.6, 0.9]))
    tensor([0.2500, 0.0000])
    """
    _check_pair(whole, kept)
    drop = (whole - kept).clamp(min=0) / whole.masked_fill(whole == 0, 1)
    return torch.where((whole + kept).isnan(), 1.0, drop)


def average_increase(whole: Tensor, kept: Tensor) -> Tensor:
    """1 where the classifier is more certain of what the mask keeps than of the whole image, q > p, else 0.

    Chattopadhyay et al., "Grad-CAM++" (WACV 2018), "% increase in confidence". Higher is better; 0 where either is
    NaN. Arguments as in :func:`average_drop`.

    >>> import torch
    >>> average_increase(torch.tensor([0.8, 0.5]), torch.tensor([0.8, 0.9]))
    tensor([0., 1.])
    """
    _check_pair(whole, kept)
    return (kept > whole).to(whole.dtype)


def _check_pair(whole: Tensor, kept: Tensor) -> None:
    if whole.shape != kept.shape or not whole.is_floating_point():
        raise InputError(f"whole {tuple(whole.shape)} and kept {tuple(kept.shape)} do not fit; give one shape, floats.")
    for name, tensor in (("whole", whole), ("kept", kept)):
        if ((tensor < 0) | (tensor > 1)).any():
            raise InputError(f"{name} has values outside [0, 1]; give probabilities, not logits.")


class _ProbabilityMetric(ShareMean):
    def add(self, values: Tensor, labels: Tensor, worst: float) -> None:
        scores = label_mean(values, labels)
        broken = scores.isnan()
        self.accumulate(scores.masked_fill(broken, worst), broken)


@listed("kept_probability", "probability, kept")
class KeptProbability(_ProbabilityMetric):
    """Mean over images of the mean probability of the labels on what the mask keeps; higher is better."""

    higher_is_better = True

    def update(self, kept: Tensor, labels: Tensor) -> None:
        self.add(kept, labels, worst=0)


@listed("removed_probability", "probability, removed")
class RemovedProbability(_ProbabilityMetric):
    """Mean over images of the mean probability of the labels on what the mask removes; lower is better."""

    higher_is_better = False

    def update(self, removed: Tensor, labels: Tensor) -> None:
        self.add(removed, labels, worst=1)


@listed("average_drop", "average drop")
class AverageDrop(_ProbabilityMetric):
    """Mean over images of the mean over the labels of :func:`average_drop`; lower is better."""

    higher_is_better = False

    def update(self, whole: Tensor, kept: Tensor, labels: Tensor) -> None:
        broken = (whole + kept).isnan()
        self.add(average_drop(whole, kept).masked_fill(broken, torch.nan), labels, worst=1)


@listed("average_increase", "average increase")
class AverageIncrease(_ProbabilityMetric):
    """Mean over images of the mean over the labels of :func:`average_increase`; higher is better."""

    higher_is_better = True

    def update(self, whole: Tensor, kept: Tensor, labels: Tensor) -> None:
        broken = (whole + kept).isnan()
        self.add(average_increase(whole, kept).masked_fill(broken, torch.nan), labels, worst=0)
