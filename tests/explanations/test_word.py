from __future__ import annotations

import math

import pytest
import torch

from explanans.explanations.word import EMPTY, FULL, HOLDS, SHARED, WORST, fills_frame, is_empty, score, word


@pytest.mark.parametrize(
    ("whole", "kept", "elsewhere", "shared", "expected"),
    [
        (0.8, 0.8, 0.0, 0.0, 1.0),
        (0.8, 0.6, 0.4, 0.0, 0.75 - 0.5),
        (0.8, 0.6, 0.4, 0.25, 0.75 - 0.5 - 0.25),
        # More than the whole counts as the whole, everywhere.
        (0.5, 1.0, 0.25, 0.0, 0.5),
        (0.5, 0.5, 1.0, 0.0, 0.0),
        (0.8, 0.6, 0.4, 2.0, 0.75 - 0.5 - 1),
        (0.8, 0.0, 0.8, 1.0, WORST),
        (0.0, 0.5, 0.0, 0.0, WORST),
        (0.5, math.nan, 0.0, 0.0, WORST),
        (math.nan, 0.5, 0.0, 0.0, WORST),
        (0.5, 0.5, 0.0, math.nan, WORST),
    ],
)
def test_score_by_hand(whole: float, kept: float, elsewhere: float, shared: float, expected: float) -> None:
    assert score(whole, kept, elsewhere, shared) == pytest.approx(expected)
    assert WORST == -2


BELOW = 1 - 1e-9


@pytest.mark.parametrize(
    ("area", "scored", "other", "shared", "expected"),
    [
        (0.2, HOLDS, None, 0.0, "holds"),
        (0.2, HOLDS * BELOW, None, 0.0, "weak"),
        (0.2, 1.0, "horse", SHARED, "shared with horse"),
        (0.2, 1.0, "horse", SHARED * BELOW, "holds"),
        (0.2, -1.0, "horse", 1.0, "shared with horse"),
        (0.2, -1.0, "horse", 0.0, "weak"),
        (FULL, 1.0, "horse", 1.0, "fills the frame"),
        (FULL * BELOW, 1.0, None, 0.0, "holds"),
        (0.0, 1.0, "horse", 1.0, "empty"),
        (EMPTY, 1.0, None, 0.0, "holds"),
    ],
)
def test_the_first_word_that_is_true(
    area: float, scored: float, other: str | None, shared: float, expected: str
) -> None:
    assert word(area, scored, other, shared) == expected


def test_limits_hold_for_many_areas_at_once() -> None:
    areas = torch.tensor([0.0, EMPTY, FULL, 1.0], dtype=torch.float64)
    assert fills_frame(areas).tolist() == [False, False, True, True]
    assert is_empty(areas).tolist() == [True, False, False, False]
