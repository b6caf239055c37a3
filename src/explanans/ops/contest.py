"""Masks of classes that a classifier sees in the same picture: each place goes to the class that says it louder."""

from __future__ import annotations

import torch
from torch import Tensor

SURE = 0.7
"""From this probability on a class competes: one that is named at 1/2 and is not there takes from one that is."""

MARGIN = 0.25
"""So far behind, in logits of the network, a class keeps its place: those that mean the same thing differ by noise."""

KEEP = 0.3
"""The share of its pixels that a rival must leave a class; one that takes more has the same thing in mind."""

MOST = 8
"""Rivals of a class in a picture, the most probable ones."""


def contested(logits: Tensor, probabilities: Tensor, scale: float = 1.0, *, ranks: int | None = None) -> Tensor:
    """Mask logits E of which classes that are seen together give up what belongs to another.

    Image-level labels do not tell horse from rider, and the masks of both tend to cover both. Where the classifier is
    sure of both, p_c and p_k ≥ 0.7, the louder one of E_c and E_k is more often right than either alone, so

        E'_c = min(E_c, min over k of E_c − E_k + margin · scale),

    over the rivals k ≠ c: of the 8 most probable classes those that the classifier is sure of and that leave c 30 % of
    the pixels of E_c ≥ 0 or more. A class to which all of them together leave less stays as it is, and so does one that
    the classifier is not sure of: else a wrong answer would take the evidence for the right one away.

    Args:
        logits: E, (N, M, h, w), of M classes, among them all that the classifier is sure of.
        probabilities: (N, M), of the same classes.
        scale: that E was multiplied by already.
        ranks: how many of the most probable classes are tried as rivals; None for as many as are needed, which a graph
            cannot count while it is traced.

    Returns:
        (N, M, h, w); the very same tensor where no picture has two sure classes.
    """
    sure = probabilities >= SURE
    if ranks is None:
        most = int(sure.sum(1).max()) if sure.numel() else 0
        ranks = 0 if most < 2 else most
    ranks = min(ranks, MOST, logits.shape[1])
    if not ranks:
        return logits
    inside = logits >= 0
    pixels = inside.flatten(2).sum(2)
    highest, places = probabilities.topk(ranks, dim=1)
    columns = torch.arange(logits.shape[1], device=logits.device)
    found = logits
    for rank in range(ranks):
        place = places[:, rank, None]
        lead = logits - _chosen(logits, place) + MARGIN * scale
        rival = sure & (highest[:, rank, None] >= SURE) & (columns != place) & _enough(inside & (lead >= 0), pixels)
        found = torch.where(rival[:, :, None, None], torch.minimum(found, lead), found)
    return torch.where(_enough(found >= 0, pixels)[:, :, None, None], found, logits)


def _enough(left: Tensor, pixels: Tensor) -> Tensor:
    """Whether of a class (N, M) with so many pixels so much is left, (N, M, h, w), that it goes without the others."""
    count = left.flatten(2).sum(2)
    return (count >= KEEP * pixels) & (count > 0)


def _chosen(logits: Tensor, place: Tensor) -> Tensor:
    """One of the maps of each image, (N, 1, h, w)."""
    return logits.gather(1, place[:, :, None, None].expand(-1, -1, *logits.shape[-2:]))
