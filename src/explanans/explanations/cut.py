"""Where a map is cut into a mask: the classifier is asked, per image and class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.ops.masking import apply_mask, make_fill

AREAS = (0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.25, 0.32, 0.4, 0.5, 0.65, 0.8)
"""Shares of the image that are tried."""

KEEPS = 0.8
"""Share of the probability on the whole image that a cut has to keep."""

AT_ONCE = 64
"""Maps that are sorted together; sorting takes three times their memory."""

FILL = "mean"
"""Of the receipt's fills the harder one: a blurred object keeps its colours, which may be all that the class needs."""


@torch.no_grad()
def choose_cuts(
    explanandum: Explanandum,
    images: Tensor,
    maps: Tensor,
    asked: Tensor,
    whole: Tensor,
    *,
    areas: Sequence[float] = AREAS,
    keeps: float = KEEPS,
    fill: str = FILL,
    batch_size: int = 16,
) -> Tensor:
    """Masks of P maps: the smallest area whose pixels alone keep the class is what a mask marks.

    For each area a, the pixels of the a highest values are shown and the rest is hidden behind ``fill``. The smallest
    area on which the probability is at least ``keeps`` · that of the whole image is the cut; where there is none, the
    one with the highest probability. The map is then rescaled by :func:`rescaled`, so that a mask of any method means
    the same where it is 0.5. Costs len(areas) forwards of the classifier for each map.

    Args:
        images: normalised, (N, 3, H, W).
        maps: (P, H, W), any values, in the order of ``asked.nonzero()``. One that is the same everywhere marks nothing
            and becomes 0; what is NaN stays NaN.
        asked: bool (N, C) with P true entries.
        whole: probabilities (N, C) on the whole images.
        areas: rising, in (0, 1).
        keeps: in (0, 1].
        batch_size: masked images in one forward pass.

    Returns:
        (P, H, W) float32 in [0, 1]; a pixel is inside from 0.5 on.
    """
    maps = maps.float()
    cuts = thresholds(maps, areas)
    image, column = asked.nonzero(as_tuple=True)
    background = make_fill(fill, explanandum.preprocessing)(images)
    answers = [whole.new_zeros(0)]
    for job in torch.arange(cuts.numel(), device=images.device).split(batch_size):
        pair, place = job // len(areas), job % len(areas)
        shown = maps[pair] >= cuts[pair, place][:, None, None]
        masked = apply_mask(images[image[pair]], shown, background[image[pair]])
        answers.append(explanandum.probabilities(masked).gather(1, column[pair, None])[:, 0])
    chosen = choose(torch.cat(answers).view(cuts.shape), whole[asked], keeps)
    return rescaled(maps, cuts.gather(1, chosen[:, None])[:, 0])


def thresholds(maps: Tensor, areas: Sequence[float]) -> Tensor:
    """The value (P, A) from which on a map (P, H, W) covers each share of its pixels.

    Where many pixels are equal, as the zeros of a map that knows no negative, the area that comes out is larger, but
    the lowest value of a map is never taken for a cut: the next higher one is.
    """
    if len(maps) > AT_ONCE:
        return torch.cat([thresholds(some, areas) for some in maps.split(AT_ONCE)])
    flat = maps.flatten(1)
    order = flat.sort(1, descending=True).values
    places = [max(0, math.ceil(area * flat.shape[1]) - 1) for area in areas]
    lowest = order[:, -1:]
    above = torch.where(flat > lowest, flat, torch.inf).amin(1, keepdim=True)
    return torch.maximum(order[:, places], above)


def choose(answers: Tensor, whole: Tensor, keeps: float) -> Tensor:
    """The first of A answers (P, A) that is at least ``keeps`` · ``whole`` (P,), else the largest; indices (P,)."""
    enough = answers >= keeps * whole[:, None]
    first = enough.int().argmax(1)
    return torch.where(enough.any(1), first, answers.nan_to_num(-1.0).argmax(1))


def rescaled(maps: Tensor, cuts: Tensor) -> Tensor:
    """Maps (P, H, W) stretched so that they run from 0 over 0.5 at their cut (P,) to 1; the order of pixels stays.

    Linear on either side. A map without a value above its lowest, whose cut is infinite, becomes 0.
    """
    cuts = cuts[:, None, None]
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    outside = 0.5 * (maps - low) / (cuts - low)
    # Rounding must not lift a pixel over the cut.
    outside = outside.clamp(max=0.5 - 2**-25)
    inside = 0.5 + 0.5 * (maps - cuts) / (high - cuts)
    # A single highest value has nothing above it.
    inside = torch.where(high > cuts, inside, torch.ones_like(inside))
    masks = torch.where(maps >= cuts, inside, outside)
    return torch.where((low == high).expand_as(masks), torch.zeros_like(masks), masks)
