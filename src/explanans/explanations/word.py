"""One word about a mask, from the numbers of its receipt: whether it holds, and if not, why.

Score and limits were chosen where there is a truth to agree with; docs/receipts.md has what was measured.
"""

from __future__ import annotations

import math
from typing import TypeVar

from torch import Tensor

FULL = 0.8
"""From this share of the pixels on, a mask fills the frame."""

EMPTY = 0.001
"""Below this share of the pixels, a mask is empty."""

SHARED = 0.5
"""From this share of its own probability on, another class is kept as well."""

HOLDS = 0.3
"""From this :func:`score` on, a mask holds."""

Share = TypeVar("Share", float, Tensor)


def fills_frame(area: Share) -> Share:
    """Whether areas are at least :data:`FULL`."""
    return area >= FULL


def is_empty(area: Share) -> Share:
    """Whether areas are below :data:`EMPTY`."""
    return area < EMPTY


WORST = -2.0
"""The lowest :func:`score`."""


def score(whole: float, kept: float, elsewhere: float, shared: float = 0.0) -> float:
    """min(k, 1) − min(e, 1) − min(s, 1), in [−2, 1]; higher is better.

    k, e: ``kept`` and ``elsewhere`` over ``whole``; s: ``shared``, likewise over the other class's probability on the
    whole picture. What the mask keeps of its class, less what the same mask keeps of it in another place, less what it
    keeps of another class. A full mask has at most 0. −2 where ``whole`` is 0 or something is NaN.

    What the mask removes has no part in it: a classifier that knows a class by its surroundings sees it on the rest of
    the picture too, so that a mask of the surroundings would score higher than the object's own.
    """
    ratios = [value / whole if whole > 0 else math.nan for value in (kept, elsewhere)]
    if any(map(math.isnan, [*ratios, shared])):
        return WORST
    k, e, s = (min(ratio, 1.0) for ratio in (*ratios, shared))
    return k - e - s


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
