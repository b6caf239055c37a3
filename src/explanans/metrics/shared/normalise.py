"""Named steps from a method's raw maps to masks in [0, 1].

They work on each image and class by itself and come *before* the class maps are merged into a target mask: merging
first would let the class with the largest raw values decide how the others are seen.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from explanans.errors import InputError


def raw(maps: Tensor) -> Tensor:
    """The maps as they are, for methods whose values are masks already.

    Raises:
        InputError: a value outside [0, 1]. NaN passes, for the metrics to count.
    """
    if ((maps < 0) | (maps > 1)).any():
        finite = maps[maps.isfinite()]
        reach = f"{finite.min():.4g} to {finite.max():.4g}" if len(finite) else "infinity"
        raise InputError(f"maps reach from {reach}, but 'raw' wants masks in [0, 1]; take 'minmax'.")
    return maps


def minmax(maps: Tensor) -> Tensor:
    """(v − min) / (max − min) within each image and class; a constant map becomes zeros.

    One NaN makes its whole map NaN, and so does infinity: neither has a place between a minimum and a maximum.
    """
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return torch.where(low == high, 0.0, (maps - low) / (high - low))


NORMALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {"raw": raw, "minmax": minmax}


def normalise(maps: Tensor, how: str) -> Tensor:
    """Raw maps (N, C, H, W) → masks (N, C, H, W) in [0, 1] by the step called ``how``.

    Raises:
        InputError: an unknown step, maps that are not 4-D floating point, or values that the step refuses.
    """
    if how not in NORMALISATIONS:
        raise InputError(f"normalisation {how!r} is not known; take one of {sorted(NORMALISATIONS)}.")
    if maps.ndim != 4 or not maps.is_floating_point():
        raise InputError(f"maps are {maps.dtype} of shape {tuple(maps.shape)}; give floating point (N, C, H, W).")
    return NORMALISATIONS[how](maps)
