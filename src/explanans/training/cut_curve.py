"""The curve of a calibration: what every cut of the masks is worth, and which one is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explanans.utils.records import Kind

CURVE = "calibration.json"
"""In the run folder: the cut, and the curve that it was chosen from."""

RECORD = Kind(
    "calibration",
    "delete it, and repeat the command that made it",
    {"cut": (int, float), "as_trained": bool, "gaps": dict, "areas": dict, "full": dict, "empty": dict},
)

CUTS = tuple(step / 2 for step in range(-6, 7))
REACH = 12.0
"""How far the grid is widened where the best cut is its last; a mask whose values are σ(±12) has none in between."""

SLACK = 0.05
"""So many more of the masks may fill the frame, or be empty, than without a cut, as a share of all."""


@dataclass(frozen=True)
class Point:
    """One cut, on average over the labels. A curve is a list of them with rising cuts, 0 among these.

    Attributes:
        gap: see :class:`Calibration`.
        area: share of the pixels inside.
        full, empty: share of the masks that fill the frame or are empty, see :mod:`explanans.explanations.word`.
    """

    cut: float
    gap: float
    area: float
    full: float
    empty: float


def best_cut(curve: Sequence[Point], tolerance: float, nothing: str = "no gap is high") -> tuple[float | None, str]:
    """The highest cut within ``tolerance`` of the best gap, and what was refused for it; or None, and why: ``nothing``.

    Not taken are cuts that make more masks fill the frame, or more of them empty, than the cut 0, by more than
    :data:`SLACK`. None: no gap is above ``tolerance``, which is what empty masks would have as well.
    """
    allowed = _allowed(curve)
    most = max(point.gap for point in allowed)
    if most <= tolerance:
        return None, nothing
    cut = max(point.cut for point in allowed if point.gap >= most - tolerance)
    best = max(curve, key=lambda point: point.gap)
    if best.gap <= most + tolerance:
        return cut, ""
    share, what = max((best.full, "fill the frame"), (best.empty, "are empty"))
    return cut, f"not at {best.cut:g}, where {share:.0%} of the masks {what}"


def wider(curve: Sequence[Point], tolerance: float) -> list[float]:
    """More cuts beyond an end of the curve, as far as :data:`REACH`: the higher ones, if the best cut is the last; the
    lower ones, if no gap is higher than the first; both, if there is no best cut. Else none.
    """
    cut, _ = best_cut(curve, tolerance)
    first, last = curve[0], curve[-1]
    up = cut is None or cut == last.cut
    allowed = _allowed(curve)
    down = cut is None or (first in allowed and first.gap >= max(point.gap for point in allowed))
    steps = [step / 2 for step in range(1, 7)]
    higher = [last.cut + step for step in steps if up and last.cut < REACH]
    return [*higher, *(first.cut - step for step in steps if down and first.cut > -REACH)]


def _allowed(curve: Sequence[Point]) -> list[Point]:
    neutral = next(point for point in curve if point.cut == 0)
    most_full, most_empty = (share + SLACK + 1e-9 for share in (neutral.full, neutral.empty))
    return [point for point in curve if point.full <= most_full and point.empty <= most_empty]


def summary(found: Mapping[str, Any]) -> str:
    """What :func:`calibrate` found, in one line."""
    gaps, areas, cut = found["gaps"], found["areas"], f"{found['cut']:g}"
    cuts = list(gaps)
    tried = f"calibrated on {found['images']} pictures, cuts {cuts[0]} to {cuts[-1]}"
    if found["as_trained"]:
        return f"{tried}: masks stay as trained, since {found['remark']}"
    line = f"{tried}: masks are cut at {cut}, gap {gaps[cut]:.2f} and area {areas[cut]:.2f}"
    line = f"{line} (at 0: {gaps['0']:.2f}, {areas['0']:.2f})"
    if found["compete"]:
        line += ", give up what belongs to another class that is seen"
    if found["refine"]:
        line += ", then carried along the classifier's features"
    if found["reach"]:
        line += f", then cut where their picture changes, up to {found['reach']:g} beside"
    return f"{line}; {found['remark']}" if found["remark"] else line
