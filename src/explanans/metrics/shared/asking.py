"""Ask a classifier about many altered images, a batch at a time, and average its answers over an image's labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from explanans.errors import InputError

Classify = Callable[[Tensor], Tensor]
"""Normalised images (B, 3, H, W) → probabilities (B, C), in evaluation mode, whatever the classifier's activation."""


@torch.no_grad()
def answers(classify: Classify, count: int, make: Callable[[Tensor], Tensor], batch_size: int, like: Tensor) -> Tensor:
    """Probabilities (count, C) of ``count`` images that are made when their turn comes, ``batch_size`` at once.

    Args:
        classify: images → probabilities.
        count: how many, at least 1.
        make: indices (B,) below ``count`` → images (B, 3, H, W). Only one batch of them exists at a time.
        batch_size: images per call of ``classify``.
        like: tells where the indices live.

    Raises:
        InputError: a batch size below 1, probabilities that are not (B, C) in [0, 1].
    """
    if batch_size < 1:
        raise InputError(f"batch_size={batch_size}; give at least 1.")
    parts = []
    for indices in torch.arange(count, device=like.device).split(batch_size):
        probabilities = classify(make(indices))
        if probabilities.ndim != 2 or len(probabilities) != len(indices):
            raise InputError(
                f"classify returned {tuple(probabilities.shape)} for {len(indices)} images; give probabilities (N, C)."
            )
        if ((probabilities < 0) | (probabilities > 1)).any():
            raise InputError("classify returned values outside [0, 1]; give probabilities, not logits.")
        parts.append(probabilities.float())
    return torch.cat(parts)


def check_images(images: Tensor, others: dict[str, tuple[Tensor, tuple[int, ...]]]) -> None:
    """Images must be (N, 3, H, W) with N ≥ 1, and each of the others of the shape that belongs to them."""
    if images.ndim != 4 or not images.is_floating_point() or 0 in images.shape:
        raise InputError(f"images are {images.dtype} of shape {tuple(images.shape)}; give normalised (N, 3, H, W).")
    for name, (tensor, shape) in others.items():
        if tuple(tensor.shape) != shape:
            raise InputError(f"{name} has shape {tuple(tensor.shape)} for images {tuple(images.shape)}; give {shape}.")


def label_mean(values: Tensor, labels: Tensor) -> Tensor:
    """Mean of each image's values (N, C) over its label classes, (N,).

    Every label *class* counts once, however many instances of it there are and whatever number marks it.

    Raises:
        InputError: shapes that differ, or an image without a label.

    >>> import torch
    >>> label_mean(torch.tensor([[0.5, 0.1, 1.0]]), torch.tensor([[1, 0, 1]]))
    tensor([0.7500])
    """
    if values.ndim != 2 or values.shape != labels.shape:
        raise InputError(
            f"probabilities {tuple(values.shape)} and labels {tuple(labels.shape)} do not fit; give both as (N, C)."
        )
    present = labels.bool()
    if not present.any(1).all():
        raise InputError("labels: an image has none, and the metric is not defined for it; leave such images out.")
    return values.masked_fill(~present, 0).sum(1) / present.sum(1)
