"""How far a photo of the same place is shifted against another, and what both show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanans.ops.region_library import library

Grey = NDArray[np.float32]

FINEST = 10
"""Parts of a pixel to which a shift is found."""


@dataclass(frozen=True)
class Shift:
    """Of a photo against the first one: what is at (x, y) in the first is at (x + right, y + down) in this one.

    Attributes:
        match: the correlation of the two photos where they overlap, shifted so; 1 for the same photo.
    """

    down: float = 0.0
    right: float = 0.0
    match: float = 1.0


def find_shift(first: Grey, other: Grey) -> Shift:
    """By phase correlation of two grey photos (H, W) of one size, to a part of a pixel (Guizar-Sicairos, Thurman &
    Fienup 2008).

    Phases alone are led astray by what repeats and by smooth pictures, plain correlation by what is bright; of both,
    and of no shift at all, the one is taken after which the photos match best.

    Raises:
        InputError: scikit-image is not installed.
    """
    height, width = first.shape
    # The sides of a photo, which do not continue on the other side, would correlate best of all.
    taper = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    parts = [(grey - grey.mean()) * taper for grey in (first, other)]
    correlate = library("skimage.registration").phase_cross_correlation
    candidates = [(0.0, 0.0)]
    for normalization in ("phase", None):
        back, _, _ = correlate(*parts, upsample_factor=FINEST, normalization=normalization)
        # The library says how to move the other one back.
        candidates.append((-float(back[0]), -float(back[1])))
    shifts = [Shift(down, right, match(first, other, down, right)) for down, right in candidates]
    return max(shifts, key=lambda shift: shift.match)


def match(first: Grey, other: Grey, down: float, right: float) -> float:
    """The correlation of what both show; 0 where they share less than a quarter of the photo or one is flat."""
    window = common_window([Shift(), Shift(down, right)], *first.shape)
    if window is None or 4 * (window[1] - window[0]) * (window[3] - window[2]) < first.size:
        return 0.0
    here, there = first[seen(window, Shift())], other[seen(window, Shift(down, right))]
    here, there = here - here.mean(), there - there.mean()
    norm = float(np.sqrt((here**2).sum() * (there**2).sum()))
    return float((here * there).sum()) / norm if norm else 0.0


def common_window(shifts: Sequence[Shift], height: int, width: int) -> tuple[int, int, int, int] | None:
    """What all photos show: top, bottom, left, right in the first photo's pixels; None for nothing."""
    downs, rights = [round(shift.down) for shift in shifts], [round(shift.right) for shift in shifts]
    top, bottom = max(0, -min(downs)), min(height, height - max(downs))
    left, right = max(0, -min(rights)), min(width, width - max(rights))
    return (top, bottom, left, right) if top < bottom and left < right else None


def seen(window: tuple[int, int, int, int], shift: Shift) -> tuple[slice, slice]:
    """Where the window is in a photo that is shifted, to whole pixels."""
    top, bottom, left, right = window
    down, aside = round(shift.down), round(shift.right)
    return slice(top + down, bottom + down), slice(left + aside, right + aside)
