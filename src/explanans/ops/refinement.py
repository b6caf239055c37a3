"""Bring coarse maps and pictures into line: spreading along features, adapting to colours, variation at edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional


def stretch(maps: Tensor) -> Tensor:
    """(v − min) / (max − min) over the last two dimensions; a constant map becomes 0."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-6)


def enlarge(maps: Tensor, size: Sequence[int]) -> Tensor:
    """(N, C, h, w) to (N, C, H, W), bilinear; the very same tensor where the size is right already."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return functional.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)


def scaled_up(images: Tensor, factor: float) -> Tensor:
    """Images (N, C, H, W) for finer features: sides ``factor`` times as long, to the nearest multiple of 32, bicubic.

    With a factor of 1 the very same tensor, since a network that takes one size takes no other by a pixel.
    """
    if factor == 1:
        return images
    sides = [32 * round(side * factor / 32) or 32 for side in images.shape[-2:]]
    return functional.interpolate(images, sides, mode="bicubic", align_corners=False)


def spread(maps: Tensor, features: Tensor, power: float = 2.0, steps: int = 2) -> Tensor:
    """Let a map flow to the places whose features are alike.

    A random walk m ← T m, ``steps`` times, with T the row-normalised affinity max(0, cos(f_i, f_j))^power between all
    pairs of positions, features centred over the image (in the spirit of Ahn & Kwak 2018, who learn the affinity). A
    class activation map marks the most telling part; the walk carries it over the rest of the object.

    Args:
        maps: (N, h, w), or (N, M, h, w): M of each image.
        features: (N, K, h, w), of the same images. Costs (h·w)² memory per image.
    """
    positions = features.flatten(2)
    positions = functional.normalize(positions - positions.mean(2, keepdim=True), dim=1)
    affinity = (positions.transpose(1, 2) @ positions).clamp(min=0) ** power
    transition = affinity / affinity.sum(2, keepdim=True).clamp(min=1e-6)
    flowing = (maps if maps.ndim == 4 else maps[:, None]).flatten(2).transpose(1, 2)
    for _ in range(steps):
        flowing = transition @ flowing
    return flowing.transpose(1, 2).reshape(maps.shape)


REACHES = (1, 2, 4, 8)
"""How far the neighbours are that :func:`adapt_to_pixels` averages over, in pixels."""


def neighbours(values: Tensor, reaches: Sequence[int]) -> Tensor:
    """(N, M, h, w) to (N, M, 8 · reaches, h, w): the values around each pixel; beyond the frame they are its own."""
    margin, (height, width) = max(reaches), values.shape[-2:]
    padded = functional.pad(values, (margin,) * 4, mode="replicate")[:, :, None]
    shifted = [
        padded[..., margin + down : margin + down + height, margin + right : margin + right + width]
        for down, right in around(reaches)
    ]
    return torch.cat(shifted, dim=2)


def around(reaches: Sequence[int]) -> list[tuple[int, int]]:
    """Where the neighbours are: pixels down and to the right, eight for each reach."""
    places = [(down * reach, right * reach) for reach in reaches for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return [place for place in places if place != (0, 0)]


def adapt_to_pixels(
    maps: Tensor,
    images: Tensor,
    steps: int = 10,
    reaches: Sequence[int] = REACHES,
    look: Callable[[Tensor, Sequence[int]], Tensor] = neighbours,
) -> Tensor:
    """Local averaging that stops at colour edges: pixel-adaptive mask refinement (Araslanov & Roth, CVPR 2020).

    m_i ← Σ_j a_ij m_j over the 8 neighbours j at each distance in ``reaches``, where a_ij is the softmax over j of
    −mean over channels of |x_i − x_j| / (0.3 σ_i), σ_i the standard deviation of the colours around i.

    Args:
        maps: (N, h, w), or (N, M, h, w): M of each image.
        images: (N, 3, h, w), at the maps' resolution.
        look: :func:`neighbours`, or what does the same.
    """
    beside = look(images, reaches)
    own = images[:, :, None]
    deviation = torch.cat([beside, own], dim=2).std(2, keepdim=True)
    weights = (-(beside - own).abs() / (0.3 * deviation + 1e-6)).mean(1, keepdim=True).softmax(2)
    refined = maps if maps.ndim == 4 else maps[:, None]
    for _ in range(steps):
        refined = (look(refined, reaches) * weights).sum(2)
    return refined.reshape(maps.shape)


def compete(maps: Tensor, image: Tensor) -> Tensor:
    """m_c² / max over c' of m_c', place by place among the maps of one image: the highest stays, the others sink.

    Args:
        maps: (P, h, w), at least 0.
        image: (P,), int64, the number of the image that each map belongs to.
    """
    places = image[:, None, None].expand_as(maps)
    count = int(image.max()) + 1 if len(image) else 0
    highest = maps.new_zeros(count, *maps.shape[1:]).scatter_reduce(0, places, maps, "amax")
    return maps * (maps / highest[image].clamp(min=1e-6))


def edge_aware_variation(masks: Tensor, images: Tensor, contrast: float = 0.3) -> Tensor:
    """Mean of w · |difference| over pairs of pixels in four directions, one and two pixels apart.

    w = exp(−‖colour difference‖² / (2 · contrast²)) in the images' normalised colours, so that a mask is free to change
    where the picture does: the pairwise term of Krähenbühl & Koltun (2011) over close neighbours only.

    Args:
        masks: (N, h, w) in [0, 1].
        images: (N, 3, h, w), at the masks' resolution.
    """
    total, pairs = masks.new_zeros(()), 0
    height, width = masks.shape[-2:]
    for reach in (1, 2):
        for down, right in ((0, reach), (reach, 0), (reach, reach), (reach, -reach)):
            if height <= down or width <= abs(right):
                continue
            here = (..., slice(down, height), slice(max(right, 0), width + min(right, 0)))
            there = (..., slice(0, height - down), slice(max(-right, 0), width - max(right, 0)))
            weight = torch.exp(-(images[here] - images[there]).square().sum(1) / (2 * contrast**2))
            total = total + (weight * (masks[here] - masks[there]).abs()).mean()
            pairs += 1
    return total / max(1, pairs)
