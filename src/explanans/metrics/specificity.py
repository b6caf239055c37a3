"""Class specificity: what each class's mask leaves of every class, as the confusion matrix of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from explanans.errors import InputError
from explanans.metrics.shared.asking import Classify, answers, check_images
from explanans.metrics.shared.base import listed
from explanans.metrics.thresholds import PAPER_THRESHOLDS


def class_specificity(
    classify: Classify,
    images: Tensor,
    masks: Tensor,
    background: Tensor,
    thresholds: Sequence[float] = PAPER_THRESHOLDS,
    batch_size: int = 64,
) -> Tensor:
    """What the classifier sees of class r through the mask of class c, for every pair of classes, per image.

    values[n, c, r] = mean over the thresholds t of the probability of r on image n masked with S_c ≥ t (Stalder et
    al. 2022). The paper's form takes the *softmax* of the logits also for a multi-label classifier: give a ``classify``
    that does so to compare with its numbers.

    The masks are cut at each threshold, and those of an image that come out equal (most often the empty ones) are
    classified once; they are recognised by a 64-bit checksum. Otherwise N·C·T images are classified, of which one
    batch exists at a time.

    Args:
        classify: images (B, 3, H, W) → probabilities (B, C).
        images: normalised, (N, 3, H, W).
        masks: (N, C, H, W), floating point in [0, 1].
        background: what hidden pixels become, as ``images``; the paper's is the mean colour, 0.
        thresholds: T ascending numbers in [0, 1].
        batch_size: images per call of ``classify``.

    Returns:
        (N, C, C): [image, mask class c, class r]. Where mask c or the classifier's answer to it is NaN: 0 for r = c
        and 1 for the others, the worst values.

    Raises:
        InputError: shapes that do not fit, masks outside [0, 1], probabilities for another number of classes.
    """
    return _specificity(classify, images, masks, background, thresholds, batch_size)[0]


def _specificity(
    classify: Classify,
    images: Tensor,
    masks: Tensor,
    background: Tensor,
    thresholds: Sequence[float],
    batch_size: int,
) -> tuple[Tensor, Tensor]:
    if masks.ndim != 4 or not masks.is_floating_point():
        raise InputError(f"masks are {masks.dtype} of shape {tuple(masks.shape)}; give floating point (N, C, H, W).")
    count, classes = masks.shape[:2]
    shape = tuple(images.shape)
    check_images(images, {"masks": (masks, (shape[0], classes, *shape[2:])), "background": (background, shape)})
    if ((masks < 0) | (masks > 1)).any():
        raise InputError("masks have values outside [0, 1]; normalise a method's raw maps first.")
    edges = torch.tensor([float(t) for t in thresholds], dtype=masks.dtype, device=masks.device)
    if not len(edges) or not (edges.diff() > 0).all() or not ((edges >= 0) & (edges <= 1)).all():
        raise InputError(f"thresholds={list(thresholds)[:10]!r}; give strictly ascending numbers in [0, 1].")
    flat = masks.detach().flatten(0, 1).flatten(1)
    broken = flat.isnan().any(1).view(count, classes)
    members, rows, levels = _distinct(flat, edges, classes, max(1, batch_size))

    def make(indices: Tensor) -> Tensor:
        row = rows[indices]
        kept = (flat[row] >= edges[levels[indices], None]).view(-1, 1, *shape[2:])
        return torch.where(kept, images[row // classes], background[row // classes])

    probabilities = answers(classify, len(rows), make, batch_size, images)
    if probabilities.shape[1] != classes:
        raise InputError(f"classify knows {probabilities.shape[1]} classes, masks have {classes}; give one per class.")
    values = probabilities[members].view(count, classes, len(edges), classes).mean(2)
    broken = broken | values.isnan().any(2)
    worst = 1 - torch.eye(classes, dtype=values.dtype, device=values.device)
    return torch.where(broken[:, :, None], worst, values), broken


def _distinct(flat: Tensor, edges: Tensor, classes: int, rows_at_once: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which of the binary masks of an image are equal.

    Args:
        flat: (N·C, P) masks.
        edges: (T,) thresholds.
        classes: C; only masks of one image can stand for each other.
        rows_at_once: masks that are looked at together, which bounds the memory.

    Returns:
        for each of the N·C·T binary masks its group, (N·C·T,); for each group the row in ``flat`` and the position in
        ``edges`` of one member.
    """
    generator = torch.Generator().manual_seed(0)
    # The checksum of a mask is the sum, modulo 2^64, of a random number for each of its pixels: two different masks of
    # an image agree with a probability of 2^-64.
    weights = torch.randint(-(2**63), 2**63 - 1, (flat.shape[1],), generator=generator).to(flat.device)
    sums = []
    for part in flat.split(rows_at_once):
        reached = torch.bucketize(part, edges, right=True).masked_fill_(part.isnan(), 0)
        bins = torch.zeros(len(part), len(edges) + 1, dtype=torch.long, device=flat.device)
        bins.scatter_add_(1, reached, weights.expand_as(reached))
        sums.append(bins.flip(1).cumsum(1)[:, :-1].flip(1))
    checksums = torch.cat(sums).flatten()
    image = torch.arange(len(flat), device=flat.device).repeat_interleave(len(edges)) // classes
    groups, members = torch.stack([image, checksums], 1).unique(dim=0, return_inverse=True)
    every = torch.arange(len(members), device=flat.device)
    first = every.new_full((len(groups),), len(members)).scatter_reduce_(0, members, every, "amin")
    return members, first // len(edges), first % len(edges)


def specificity_matrix(values: Tensor, labels: Tensor) -> Tensor:
    """The confusion matrix (C, C): row r, column c is the mean of values[n, c, r] over the images with label r.

    The diagonal says how much of its class a class's own mask keeps (high is good), the rest what the mask of another
    class lets through (low is good). The row of a class without images is NaN.

    Args:
        values: (N, C, C) of :func:`class_specificity`.
        labels: (N, C) multi-hot.
    """
    _check_values(values, labels)
    present = labels.to(values.dtype)
    return torch.einsum("ncr,nr->rc", values, present) / present.sum(0)[:, None]


def specificity_gap(matrix: Tensor) -> Tensor:
    """Mean of the diagonal minus mean off the diagonal of a matrix (C, C); higher is better, in [−1, 1].

    Rows of NaN, classes without images, are left out.

    Raises:
        InputError: a matrix that is not square or has fewer than two classes.

    >>> import torch
    >>> specificity_gap(torch.tensor([[0.75, 0.25], [0.0, 0.75]]))
    tensor(0.6250)
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 2:
        raise InputError(f"matrix has shape {tuple(matrix.shape)}; give (C, C) with at least two classes.")
    own = torch.eye(len(matrix), dtype=torch.bool, device=matrix.device)
    return matrix[own].nanmean() - matrix[~own].nanmean()


def _check_values(values: Tensor, labels: Tensor) -> None:
    if values.ndim != 3 or labels.ndim != 2 or values.shape != (*labels.shape, labels.shape[1]):
        raise InputError(f"values {tuple(values.shape)}, labels {tuple(labels.shape)}; give (N, C, C) and (N, C).")


@listed("class_specificity", "class specificity")
class ClassSpecificity(Metric):
    """:func:`specificity_gap` over all images seen, higher is better; ``matrix()`` is the confusion matrix.

    All states are sums, so the result does not depend on how the images are spread over batches or processes.
    ``nan_count`` counts masks, not images: an image has one for each class.

    Args:
        classes: C.
        thresholds, batch_size: as in :func:`class_specificity`.
        kwargs: for ``torchmetrics.Metric``.
    """

    is_differentiable = False
    full_state_update = False
    higher_is_better = True
    worst = -1.0
    plot_lower_bound = -1.0
    plot_upper_bound = 1.0
    total: Tensor
    count: Tensor
    nan_count: Tensor

    def __init__(
        self, classes: int, thresholds: Sequence[float] = PAPER_THRESHOLDS, batch_size: int = 64, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.thresholds, self.batch_size = tuple(thresholds), batch_size
        self.add_state("total", torch.zeros(classes, classes), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(classes, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("nan_count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, classify: Classify, images: Tensor, masks: Tensor, labels: Tensor, background: Tensor) -> None:
        values, broken = _specificity(classify, images, masks, background, self.thresholds, self.batch_size)
        _check_values(values, labels)
        present = labels.bool()
        self.total += torch.einsum("ncr,nr->rc", values, present.to(values.dtype))
        self.count += present.sum(0)
        self.nan_count += broken.sum()

    def matrix(self) -> Tensor:
        """(C, C) as :func:`specificity_matrix`."""
        return self.total / self.count[:, None]

    def compute(self) -> Tensor:
        return specificity_gap(self.matrix())
