"""Intervals of shares and of their differences, from counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z = 1.959964
"""Of 95 %."""


@dataclass(frozen=True)
class Effect:
    """How often something happens where it is tested, and where it is not: a difference of two shares.

    Attributes:
        hits, tried: with what is suspected.
        control_hits, control_tried: without it, all else alike.
        value, low, high: the difference and its 95 % interval, in [−1, 1].
    """

    hits: int
    tried: int
    control_hits: int
    control_tried: int
    value: float
    low: float
    high: float


def wilson(hits: int, tried: int, z: float = Z) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927); (0, 1) where nothing was tried.

    >>> tuple(round(end, 3) for end in wilson(8, 10))
    (0.49, 0.943)
    """
    if not tried:
        return 0.0, 1.0
    share, squared = hits / tried, z * z
    centre = (share + squared / (2 * tried)) / (1 + squared / tried)
    half = z / (1 + squared / tried) * math.sqrt(share * (1 - share) / tried + squared / (4 * tried * tried))
    return max(0.0, centre - half), min(1.0, centre + half)


def difference(hits: int, tried: int, control_hits: int, control_tried: int) -> Effect:
    """Difference of two shares with Newcombe's hybrid score interval (1998, method 10).

    low = d − √((p − l₁)² + (u₂ − q)²) and high = d + √((u₁ − p)² + (q − l₂)²), with l and u the Wilson intervals of the
    shares p and q. Where nothing was tried it is 0 in [−1, 1].

    >>> effect = difference(56, 70, 48, 80)
    >>> [round(number, 4) for number in (effect.value, effect.low, effect.high)]
    [0.2, 0.0524, 0.3339]
    """
    counts = (hits, tried, control_hits, control_tried)
    if not tried or not control_tried:
        return Effect(*counts, 0.0, -1.0, 1.0)
    p, q = hits / tried, control_hits / control_tried
    (l1, u1), (l2, u2) = wilson(hits, tried), wilson(control_hits, control_tried)
    value = p - q
    return Effect(*counts, value, value - math.hypot(p - l1, u2 - q), value + math.hypot(u1 - p, q - l2))
