from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from explanans.ops import fine_area as module
from explanans.ops.fine_area import fine_area
from explanans.utils.disk_array import DiskArray

pytest.importorskip("skimage", reason="regions need scikit-image")


def area(mask: NDArray[np.float32], threshold: float = 0.5) -> float:
    """Of everything above the threshold, as one region."""
    return fine_area(mask, (slice(0, mask.shape[0]), slice(0, mask.shape[1])), mask >= threshold, threshold)


def boxed(mask: NDArray[np.float32], threshold: float = 0.5) -> float:
    """The same, with the box of what is above it."""
    rows, columns = np.nonzero(mask >= threshold)
    box = slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)
    return fine_area(mask, box, mask[box] >= threshold, threshold)


def test_by_hand() -> None:
    mask = np.zeros((5, 7), np.float32)
    mask[2, 1:6] = [0.25, 1, 1, 1, 0.75]
    # What is covered: three pixels, three quarters and a quarter, all in ranges of 0 to 1, or to the pixel's own.
    assert area(mask) == pytest.approx(3 + 0.75 + 0.25)
    assert boxed(mask) == pytest.approx(4)
    mask[2] = [0, 0, 0.6, 0, 0, 0, 0]
    # ½ + 0.1 / 0.6, and around it ½ − 0.5 / 0.6, which is below 0.
    assert area(mask) == pytest.approx(0.5 + 0.1 / 0.6)


def test_a_mask_that_rises_evenly() -> None:
    rise = np.tile((0.1 * np.arange(12) - 0.07).clip(0, 1).astype(np.float32), (9, 1))
    # 0.5 is reached at 5.7 from the centre of the first pixel, 6.2 from its left side.
    assert area(rise) == pytest.approx(9 * (12 - 6.2), rel=1e-5)
    assert boxed(rise) == pytest.approx(area(rise))
    assert area(rise.T.copy(), 0.45) == pytest.approx(9 * (12 - 5.7), rel=1e-5)


def test_the_pictures_sides_are_sides() -> None:
    assert area(np.full((3, 4), 0.8, np.float32)) == 12


def test_zeros_and_ones_are_counted() -> None:
    mask = (np.random.default_rng(0).random((9, 9)) > 0.5).astype(np.float32)
    assert area(mask, 0.2) == mask.sum()


def test_filled_holes_count_and_other_pieces_do_not() -> None:
    mask = np.full((9, 9), 0.1, np.float32)
    mask[2:7, 2:7] = 0.9
    solid, box = boxed(mask), (slice(2, 7), slice(2, 7))
    inside = mask[box] >= 0.5
    mask[4, 4] = mask[5, 3] = 0.1
    mask[0, 0] = 0.9
    assert fine_area(mask, box, inside, 0.5) == pytest.approx(solid)


@pytest.mark.parametrize("angle", [0, 11, 30, 45, 80])
@pytest.mark.parametrize("width", [2, 3, 8])
def test_lines_of_any_direction(angle: float, width: float) -> None:
    """A line 30 long, its coverage of each pixel from 72 points."""
    down, across = ((np.arange(60 * points) + 0.5) / points for points in (8, 9))
    y, x = down[:, None] - 30.3, across[None] - 29.9
    turn = math.radians(angle)
    along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    line = (abs(along) <= 15) & (abs(across) <= width / 2)
    mask = line.reshape(60, 8, 60, 9).mean((1, 3)).astype(np.float32)
    assert boxed(mask) == pytest.approx(30 * width, rel=0.005)


def test_strips_on_the_disk_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    mask = random.random((40, 30)).astype(np.float32)
    mask = (mask + np.roll(mask, 1, 0) + np.roll(mask, 1, 1)) / 3
    stored = DiskArray((40, 30), np.float32)
    stored[:] = mask
    box = (slice(5, 40), slice(0, 21))
    inside = mask[box] >= 0.5
    wanted = fine_area(mask, box, inside, 0.5)
    monkeypatch.setattr(module, "AT_ONCE", 100)
    assert fine_area(stored, box, inside, 0.5) == pytest.approx(wanted, rel=1e-12)
