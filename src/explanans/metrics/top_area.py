"""What the classifier sees in the most relevant part of a picture: maps cut to an area before they are put on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.insertion import ranks
from explanans.metrics.shared.asking import Classify, answers, check_images
from explanans.metrics.shared.overlap import floating
from explanans.ops.masking import apply_mask

SHARES = (0.5, 0.15)
"""Of the picture, beside the whole of it, as the TAME family reports them."""


def top_area(mask: Tensor, share: float) -> Tensor:
    """The mask where it is highest, 0 elsewhere: round(share · H · W) pixels keep their value, (N, H, W).

    Pixels of equal value are taken row by row. A mask with a NaN becomes zeros.

    Args:
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        share: in (0, 1].

    >>> import torch
    >>> top_area(torch.tensor([[[0.2, 0.9, 0.4, 0.1]]]), 0.5)
    tensor([[[0.0000, 0.9000, 0.4000, 0.0000]]])
    """
    mask = floating(mask, "mask")
    if not 0 < share <= 1:
        raise InputError(f"share={share}; give a share of the picture above 0 and up to 1.")
    place, broken = ranks(mask)
    return mask.masked_fill((place >= round(share * place[0].numel())) | broken[:, None, None], 0)


def kept_top(
    classify: Classify,
    images: Tensor,
    mask: Tensor,
    background: Tensor,
    shares: Sequence[float] = SHARES,
    batch_size: int = 64,
) -> Tensor:
    """The classifier's answers to what the mask keeps once it is cut to each share of the picture.

    Average drop and increase of these (:func:`explanans.metrics.average_drop`) are AD(v) and IC(v) of Gkartzonika et
    al., "Learning Visual Explanations for DCNN-Based Image Classifiers" (2022), and of TAME (Ntrougkas et al. 2022); at
    a share of 1 they are those of the whole mask. Unlike the whole mask's, they cannot be had by covering everything.

    Args:
        classify: images (B, 3, H, W) → probabilities (B, C), sigmoid or softmax as the classifier was trained.
        images: normalised, (N, 3, H, W).
        mask: (N, H, W) or (N, 1, H, W), floating point in [0, 1].
        background: what hidden pixels become, as ``images``.
        shares: S of them, each in (0, 1].
        batch_size: images per call of ``classify``.

    Returns:
        (N, S, C) in [0, 1]; NaN for a mask with a NaN.

    Raises:
        InputError: shapes that do not fit, a mask outside [0, 1], a share that is none.
    """
    mask = floating(mask, "mask")
    shape = tuple(images.shape)
    check_images(images, {"mask": (mask, (shape[0], *shape[2:])), "background": (background, shape)})
    if ((mask < 0) | (mask > 1)).any():
        raise InputError("mask has values outside [0, 1]; normalise a method's raw maps first.")
    if not shares:
        raise InputError("shares are empty; give at least one.")
    cut = torch.stack([top_area(mask, share) for share in shares], 1).flatten(0, 1)

    def make(indices: Tensor) -> Tensor:
        of = indices // len(shares)
        return apply_mask(images[of], cut[indices], background[of])

    kept = answers(classify, len(cut), make, batch_size, images).unflatten(0, (len(images), len(shares)))
    return kept.masked_fill(mask.flatten(1).isnan().any(1)[:, None, None], torch.nan)
