"""Whether a picture itself changes where a mask ends: its colours just inside against those just outside."""

from __future__ import annotations

import torch
from torch import Tensor

from explanans.ops.nearness import rim

BAND = 32
"""The band on either side of an edge is so many times narrower than the picture."""


def band_contrast(images: Tensor, masks: Tensor, radius: int | None = None) -> Tensor:
    """Share of the colours' variance near the edges of masks that lies between inside and outside.

    Inside are a mask's pixels that have one outside within ``radius`` (all of a thin mask), outside are the others'
    that have one inside within it, both in the square of side 2 · radius + 1. With w₁ and w₀ the numbers of these
    pixels and μ₁ and μ₀ their mean colours, it is w₁ w₀ / (w₁ + w₀) · ‖μ₁ − μ₀‖² over the sum of ‖x − μ‖² over both:
    Otsu's criterion (1979), near the edge alone.

    Args:
        images: (M or 1, 3, H, W), any units.
        masks: bool (M, H, W).
        radius: in pixels, at least 1; None takes a :data:`BAND` th of the shorter side.

    Returns:
        (M,) in [0, 1]; 0 for an empty mask, a full one, and a band of one colour.
    """
    if radius is None:
        radius = max(1, min(images.shape[-2:]) // BAND)
    inner, outer = (rim(side, radius, frame=False)[:, None].to(images.dtype) for side in (masks, ~masks))
    count_inner, count_outer = (band.sum((1, 2, 3)) for band in (inner, outer))
    mean_inner, mean_outer = (_mean(images, band) for band in (inner, outer))
    both = inner + outer
    spread = (both * (images - _mean(images, both)[:, :, None, None]).square()).sum((1, 2, 3))
    between = count_inner * count_outer / (count_inner + count_outer).clamp(min=1)
    between = between * (mean_inner - mean_outer).square().sum(1)
    return (between / spread.clamp(min=1e-12)).clamp(max=1)


def contrasts_at(images: Tensor, image: Tensor, maps: Tensor, cuts: Tensor) -> Tensor:
    """:func:`band_contrast` of the masks [map ≥ cut] of P maps at A cuts of each, one map at a time.

    Args:
        images: (N, 3, H, W), any units.
        image: (P,), of which of them each map is.
        maps: (P, H, W).
        cuts: (P, A); of an infinite one the mask is empty.

    Returns:
        (P, A) in [0, 1].
    """
    pairs = zip(image.tolist(), maps, cuts, strict=True)
    found = [band_contrast(images[row, None].float(), own >= levels[:, None, None]) for row, own, levels in pairs]
    return torch.stack(found) if found else torch.zeros_like(cuts)


def contrasts_together(images: Tensor, masks: Tensor) -> Tensor:
    """:func:`band_contrast` of M masks of each image, all at once, in double precision.

    The sums over pixels are products of matrices, which a graph that is exported has few and quick operations for:
    Σ ‖x − μ‖² = Σ ‖x‖² − ‖Σ x‖² / w, in doubles, since little is left of large numbers.

    Args:
        images: (N, 3, H, W), any units.
        masks: bool (N, M, H, W).

    Returns:
        (N, M) in [0, 1].
    """
    radius = max(1, min(images.shape[-2:]) // BAND)
    colours = images.double().flatten(2).transpose(1, 2)
    moments = torch.cat([torch.ones_like(colours[..., :1]), colours.square().sum(2, keepdim=True), colours], 2)
    flat = masks.flatten(0, 1)
    bands = [rim(side, radius, frame=False).view(masks.shape).flatten(2).double() for side in (flat, ~flat)]
    inner, outer = (band @ moments for band in bands)
    both = inner + outer
    count_inner, count_outer = inner[..., 0], outer[..., 0]
    means = [band[..., 2:] / band[..., :1].clamp(min=1) for band in (inner, outer)]
    spread = both[..., 1] - both[..., 2:].square().sum(2) / both[..., 0].clamp(min=1)
    between = count_inner * count_outer / both[..., 0].clamp(min=1) * (means[0] - means[1]).square().sum(2)
    return (between / spread.clamp(min=1e-12)).clamp(max=1).to(images.dtype)


def _mean(images: Tensor, band: Tensor) -> Tensor:
    """Mean colour (M, 3) of the pixels of a band (M, 1, H, W); 0 for none."""
    return (images * band).sum((2, 3)) / band.sum((2, 3)).clamp(min=1)
