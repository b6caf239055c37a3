"""Where a map is cut into a mask: the map proposes, the classifier is asked, per image and class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.ops.band_contrast import contrasts_at
from explanans.ops.masking import apply_mask, make_fill

AREAS = (0.06, 0.15, 0.27, 0.45)
"""Shares of the image that are tried: what a map with a single high peak needs. A method whose maps need others, or
none, has them as ``cut_areas``."""

LEVELS = (0.5, 0.6, 0.7)
"""Of the way from a map's lowest to its highest value: what small and thin things need, whatever their area."""

EDGES = 2.0
"""What the image's own edges count beside the classifier's answers, which hardly fall where a mask is too wide."""

CONTRAST = 0.1
"""What the map's own contrast counts beside the classifier's answers, which all cuts may leave equal."""

FILL = "blur"
"""Over the mean colour an outline alone may say what was cut out, so that nothing seems to be removed."""

AT_ONCE = 64
"""Maps that are sorted together; sorting takes three times their memory."""

STEEPNESS = 8.0
"""Of the masks around their cut: between 0.43 and 0.57 of the way a mask runs from 0.1 to 0.9."""


@torch.no_grad()
def choose_cuts(
    explanandum: Explanandum,
    images: Tensor,
    maps: Tensor,
    asked: Tensor,
    whole: Tensor,
    *,
    areas: Sequence[float] = AREAS,
    levels: Sequence[float] = LEVELS,
    edges: float = EDGES,
    fill: str = FILL,
    batch_size: int = 16,
) -> Tensor:
    """Masks of P maps: each is cut where map and classifier together say that the class ends.

    For each of :func:`thresholds`, the pixels from it on are shown and the rest is hidden behind ``fill``, and the
    other way round. With k and r the probabilities of the class on what is kept and on what is removed, each over that
    on the whole image and at most 1, a the area, B how much the image's own colours change there
    (:func:`explanans.ops.band_contrast.band_contrast`) and η the map's :func:`contrast`, the cut is where
    max(k − r, 0) · (1 − √a) + 2 B + η / 10 is highest: what is inside is enough, what is outside is not, its side is a
    small part of the image's, and it ends where something ends in the image. Where classifier and image say nothing,
    the map's contrast decides.
    The map is then rescaled by :func:`rescaled`, so that a mask of any method means the same where it is 0.5. Costs
    2 · (len(areas) + len(levels)) forwards of the classifier for each map.

    Args:
        images: normalised, (N, 3, H, W).
        maps: (P, H, W), any values, in the order of ``asked.nonzero()``. One that is the same everywhere marks nothing
            and becomes 0; what is NaN stays NaN.
        asked: bool (N, C) with P true entries.
        whole: probabilities (N, C) on the whole images.
        areas: shares of the pixels, in (0, 1).
        levels: shares of the way from a map's lowest to its highest value, in (0, 1).
        edges: what B counts; 0 leaves the image's edges out, for masks that hold all that the class goes by.
        fill: see :func:`explanans.ops.masking.make_fill`.
        batch_size: masked images in one forward pass.

    Returns:
        (P, H, W) float32 in [0, 1]; a pixel is inside from 0.5 on.
    """
    maps = maps.float()
    cuts = torch.cat([thresholds(some, areas, levels) for some in maps.split(AT_ONCE)])
    image, column = asked.nonzero(as_tuple=True)
    background = make_fill(fill, explanandum.preprocessing)(images)
    answers = [whole.new_zeros(0)]
    for job in torch.arange(2 * cuts.numel(), device=images.device).split(batch_size):
        pair, place, removes = job // (2 * cuts.shape[1]), job // 2 % cuts.shape[1], job % 2 == 1
        shown = (maps[pair] >= cuts[pair, place][:, None, None]) ^ removes[:, None, None]
        masked = apply_mask(images[image[pair]], shown, background[image[pair]])
        answers.append(explanandum.probabilities(explanandum.laid_out(masked)).gather(1, column[pair, None])[:, 0])
    kept, removed = torch.cat(answers).view(*cuts.shape, 2).unbind(2)
    contrasts, shares = contrast(maps, cuts)
    found = edges * contrasts_at(images, image, maps, cuts) if edges else torch.zeros_like(contrasts)
    chosen = choose(contrasts, found, shares, kept, removed, whole[asked])
    chosen_cuts = cuts.gather(1, chosen[:, None])[:, 0]
    parts = zip(maps.split(AT_ONCE), chosen_cuts.split(AT_ONCE), strict=True)
    return torch.cat([rescaled(some, cut) for some, cut in parts])


def areas_of(method: object) -> Sequence[float]:
    """The areas at which a method's maps are cut, besides :data:`LEVELS`."""
    areas: Sequence[float] = getattr(method, "cut_areas", AREAS)
    return areas


def thresholds(maps: Tensor, areas: Sequence[float], levels: Sequence[float] = ()) -> Tensor:
    """Values (P, A + L) of maps (P, H, W), falling, from which on a map covers each share of its pixels, and levels.

    A level t is lowest + t · (highest − lowest). Where many pixels are equal, as the zeros of a map that knows no
    negative, the area that comes out is larger, but the lowest value of a map is never taken for a cut: the next higher
    one is.
    """
    flat = maps.flatten(1)
    order = flat.sort(1, descending=True).values
    places = [max(0, math.ceil(area * flat.shape[1]) - 1) for area in areas]
    highest, lowest = order[:, :1], order[:, -1:]
    steps = order.new_tensor(levels).expand(len(order), -1)
    above = torch.where(flat > lowest, flat, torch.inf).amin(1, keepdim=True)
    cuts = torch.cat([order[:, places], lowest + steps * (highest - lowest)], 1)
    return torch.maximum(cuts, above).sort(1, descending=True).values


def contrast(maps: Tensor, cuts: Tensor) -> tuple[Tensor, Tensor]:
    """Otsu's criterion η of maps (P, H, W) at their cuts (P, A), and the share of pixels inside; both (P, A) in [0, 1].

    η = w (1 − w) (μ₁ − μ₀)² / σ² is the share of a map's variance that lies between inside and outside (Otsu 1979),
    with w the share inside, μ₁ and μ₀ the means inside and outside; 0 where nothing is inside.
    """
    if len(maps) > AT_ONCE:
        parts = [contrast(*some) for some in zip(maps.split(AT_ONCE), cuts.split(AT_ONCE), strict=True)]
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    mean = maps.mean((1, 2))
    variance = (maps - mean[:, None, None]).square().mean((1, 2))
    contrasts, shares = [], []
    for cut in cuts.unbind(1):
        inside = (maps >= cut[:, None, None]).to(maps.dtype)
        share = inside.mean((1, 2))
        # w (1 − w) (μ₁ − μ₀)² = (w μ₁ − w μ)² / (w (1 − w)).
        above = (maps * inside).mean((1, 2)) - share * mean
        contrasts.append(above.square() / (share * (1 - share) * variance).clamp(min=1e-30))
        shares.append(share)
    return torch.stack(contrasts, 1), torch.stack(shares, 1)


def choose(contrasts: Tensor, edges: Tensor, shares: Tensor, kept: Tensor, removed: Tensor, whole: Tensor) -> Tensor:
    """Index (P,) of the highest max(k − r, 0) · (1 − √a) + ``edges`` + η / 10 of A cuts (P, A).

    k and r are over ``whole`` (P,). A cut for which something is NaN is not taken unless all are; of equal ones the
    first is.
    """
    whole = whole[:, None].clamp(min=torch.finfo(whole.dtype).tiny)
    answers = (kept / whole).clamp(max=1) - (removed / whole).clamp(max=1)
    scores = answers.clamp(min=0) * (1 - shares.sqrt()) + edges + CONTRAST * contrasts
    return scores.nan_to_num(-torch.inf).argmax(1)


def rescaled(maps: Tensor, cuts: Tensor, steepness: float = STEEPNESS) -> Tensor:
    """Maps (P, H, W) brought to 0 at their lowest, 0.5 at their cut (P,) and 1 at their highest value; never falling.

    Linear to u on either side of the cut, then uˢ / (uˢ + (1 − u)ˢ): the steeper, the nearer to a binary mask. A map
    without a value above its lowest, whose cut is infinite, becomes 0.
    """
    cuts = cuts[:, None, None]
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    outside = 0.5 * (maps - low) / (cuts - low)
    inside = 0.5 + 0.5 * (maps - cuts) / (high - cuts)
    # A single highest value has nothing above it.
    inside = torch.where(high > cuts, inside, torch.ones_like(inside))
    within = maps >= cuts
    level = torch.where(within, inside, outside) ** steepness
    masks = level / (level + (1 - torch.where(within, inside, outside)) ** steepness)
    # Rounding must lift no pixel over the cut.
    masks = torch.where(within, masks.clamp(min=0.5), masks.clamp(max=0.5 - 2**-25))
    return torch.where((low == high).expand_as(masks), torch.zeros_like(masks), masks)
