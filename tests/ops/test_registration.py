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
