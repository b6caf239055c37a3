from __future__ import annotations

import math

import pytest

from explanans.audit.intervals import difference, wilson


def test_wilson_by_hand() -> None:
    """1.96² = 3.8416: half of 10 is in the middle, ± √(0.25 / 10 + 3.8416 / 400) · 1.96 / 1.38416."""
    half = 1.959964 / (1 + 1.959964**2 / 10) * math.sqrt(0.025 + 1.959964**2 / 400)
    assert wilson(5, 10) == pytest.approx((0.5 - half, 0.5 + half))
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == pytest.approx(1)
    assert wilson(0, 0) == (0, 1)


def test_a_difference_has_its_sign_and_narrows() -> None:
    assert difference(9, 10, 1, 10).low > 0
    assert difference(1, 10, 9, 10).high < 0
    assert difference(90, 100, 10, 100).low > difference(9, 10, 1, 10).low
    nothing = difference(0, 0, 3, 10)
    assert (nothing.value, nothing.low, nothing.high) == (0, -1, 1)
