"""One word about a mask, from the numbers of its receipt: whether it holds, and if not, why."""

from __future__ import annotations

import math
from typing import TypeVar

from torch import Tensor

FULL = 0.9
"""From this share of the pixels on, a mask fills the frame."""

EMPTY = 0.001
"""Below this share of the pixels, a mask is empty."""

SHARED = 0.5
"""From this share of its own probability on, another class is kept as well."""

HOLDS = 0.5
"""From this :func:`score` on, a mask holds."""

Share = TypeVar("Share", float, Tensor)


def fills_frame(area: Share) -> Share:
    """Whether areas are at least :data:`FULL`."""
    return area >= FULL  # type: ignore[return-value]


def is_empty(area: Share) -> Share:
    """Whether areas are below :data:`EMPTY`."""
    return area < EMPTY  # type: ignore[return-value]


def score(whole: float, kept: float, removed: float, elsewhere: float) -> float:
    """min(kept / whole, 1) − max(removed, elsewhere) / whole, the latter at most 1: in [−1, 1], higher is better.

    What the mask keeps of its class, less what is seen without it: in the rest of the picture, or through the same mask
    in another place. A full mask has 0. −1 where ``whole`` is 0 or something is NaN.
    """
    ratios = [value / whole if whole > 0 else math.nan for value in (kept, removed, elsewhere)]
    if any(map(math.isnan, ratios)):
        return -1.0
    keeps, *without = (min(ratio, 1.0) for ratio in ratios)
    return keeps - max(without)


def word(area: float, scored: float, other: str | None, shared: float) -> str:
    """ "empty", "fills the frame", "shared with CLASS", "holds" or "weak": the first of these that is true.

    Args:
        area: share of the pixels inside.
        scored: see :func:`score`.
        other: the class that is kept best besides the mask's own, if there is one.
        shared: how much of its probability on the whole picture the other class keeps.
    """
    if is_empty(area):
        return "empty"
    if fills_frame(area):
        return "fills the frame"
    if other is not None and shared >= SHARED:
        return f"shared with {other}"
    return "holds" if scored >= HOLDS else "weak"
