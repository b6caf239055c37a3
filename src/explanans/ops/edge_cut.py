"""Masks that end where their own picture changes: one cut for all of them, moved a little for each."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.ops.band_contrast import contrasts_at

STEP = 0.5
"""Of the cuts that are tried, in logits."""

FARTHEST = 12.0
"""The largest ``reach`` that is taken; a mask of 1/2 is one of 0.000006 that far below it."""

PRICE = 0.06
"""What a cut a whole logit away must gain in contrast: pictures have edges inside of things too."""


def moved_to_edges(logits: Tensor, images: Tensor, image: Tensor, reach: float, scale: float = 1.0) -> Tensor:
    """Mask logits less ``scale`` · δ, δ for each the cut within ``reach`` where its image changes most.

    Tried is every multiple δ of 1/2 up to ``reach`` on either side. With B(δ) the
    :func:`~explanans.ops.band_contrast.band_contrast` of the mask [logits ≥ scale · δ], δ is where
    B(δ) − 0.06 |δ| is highest; of equal ones the nearest to 0. A mask that is empty at 0 stays as it is. No classifier
    is asked, and no pixel of a mask changes places with another.

    Args:
        logits: (P, H, W).
        images: normalised, (N, 3, H, W).
        image: (P,), of which of them each mask is.
        reach: in logits before they were multiplied by ``scale``, 0 to 12; below 1/2 nothing is moved.
    """
    places = cuts_within(reach).to(logits.device)
    if len(places) == 1 or not len(logits):
        return logits
    gains = contrasts_at(images, image, logits, (scale * places).expand(len(logits), -1)) - PRICE * places.abs()
    moves = places[gains.argmax(1)] * (logits >= 0).flatten(1).any(1)
    return logits - scale * moves.to(logits.dtype)[:, None, None]


def cuts_within(reach: float) -> Tensor:
    """The cuts δ that are tried, (A,): multiples of 1/2, nearest to 0 first, so that of equal ones it is taken."""
    count = int(reach / STEP)
    places = torch.arange(-count, count + 1).mul(STEP)
    return places[places.abs().argsort(stable=True)]
