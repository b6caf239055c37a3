from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from explanans.ops.registration import Shift, common_window, find_shift, match, seen

pytest.importorskip("skimage", reason="registration needs scikit-image")


def texture(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.float32)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (7, 0), (-5, 12), (9, -3)])
def test_a_shift_is_found(down: int, right: int) -> None:
    whole = texture(200, 240)
    first, other = whole[30:150, 30:190], whole[30 - down : 150 - down, 30 - right : 190 - right]
    found = find_shift(first, other)
    assert (found.down, found.right) == pytest.approx((down, right), abs=0.2)
    assert found.match > 0.98
    # What is at a place in the first is at that place and the shift in the other.
    assert first[60, 70] == other[60 + down, 70 + right]


def test_what_has_nothing_in_common_does_not_match() -> None:
    first = texture(120, 160)
    assert find_shift(first, first[::-1, ::-1].copy()).match < 0.3
    assert match(first, np.zeros_like(first), 0, 0) == 0
    assert match(first, first, 110, 0) == 0
    assert match(first, first, 0, 0) == pytest.approx(1)


def test_the_common_window_by_hand() -> None:
    shifts = [Shift(), Shift(3.2, -2), Shift(-4, 1)]
    window = common_window(shifts, 50, 60)
    assert window == (4, 47, 2, 59)
    rows, columns = seen(window, shifts[2])
    assert (rows.start, rows.stop, columns.start, columns.stop) == (0, 43, 3, 60)
    assert common_window([Shift(), Shift(60, 0)], 50, 60) is None


@pytest.mark.parametrize(("down", "right"), [(2.3, -1.4), (-0.6, 3.2)])
def test_a_shift_is_found_to_a_part_of_a_pixel(down: float, right: float) -> None:
    whole = texture(200, 240)
    ndimage = pytest.importorskip("scipy.ndimage")
    first, other = whole[30:150, 30:190], ndimage.shift(whole, (down, right), order=3)[30:150, 30:190]
    found = find_shift(first, other)
    assert (found.down, found.right) == pytest.approx((down, right), abs=0.15)


def test_light_and_contrast_do_not_matter_and_a_negative_is_the_opposite() -> None:
    first = texture(40, 60)
    assert match(first, 0.2 * first + 90, 0, 0) == pytest.approx(1, abs=1e-4)
    assert match(first, 255 - first, 0, 0) == pytest.approx(-1, abs=1e-4)


def test_a_quarter_of_the_photo_has_to_be_seen_in_both() -> None:
    first = texture(40, 60)
    assert match(first[:, :30], first[:, 30:], 0, 0) < 0.9
    # 20 of 40 rows and 30 of 60 columns are a quarter.
    moved = np.zeros_like(first)
    moved[20:, 30:] = first[:20, :30]
    assert match(first, moved, 20, 30) == pytest.approx(1, abs=1e-4)
    moved = np.zeros_like(first)
    moved[21:, 30:] = first[:19, :30]
    assert match(first, moved, 21, 30) == 0


def test_the_common_window_of_what_just_touches() -> None:
    assert common_window([Shift(), Shift(49, -59)], 50, 60) == (0, 1, 59, 60)
    for gone in (Shift(50, 0), Shift(-50, 0), Shift(0, 60), Shift(0, -60)):
        assert common_window([Shift(), gone], 50, 60) is None
    assert common_window([Shift(2, 3), Shift(5, 7)], 50, 60) == (0, 45, 0, 53)


def test_where_nothing_moved_that_repeats_nothing_is_moved() -> None:
    """Stripes look the same eight pixels further; what there is to see best is no shift at all."""
    stripes = np.tile(np.repeat([0, 200], 4), 10).astype(np.float32)[None].repeat(60, 0)
    assert find_shift(stripes, stripes) == Shift(0, 0, pytest.approx(1, abs=1e-4))
