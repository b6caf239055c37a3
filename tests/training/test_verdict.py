from __future__ import annotations

import math
from typing import Any

import pytest

from explanans.errors import InputError
from explanans.explanations.receipt import Kept, Receipt
from explanans.training.held_out import Figures
from explanans.training.verdict import EXPLAINER, MEASURE, Circumstances, Verdict, advice, difference, judged, told

LONG = Circumstances(epochs=9, still_falling=False, pictures=5000, network="light/x", calibrated=True)


@pytest.mark.parametrize(
    ("own", "other", "sign"),
    [
        ([0.9, 0.8, 0.7], [0.5, 0.4, 0.3], 1),
        ([0.5, 0.4, 0.3], [0.9, 0.8, 0.7], -1),
        # A mean of 0.1 with a standard error of 0.1 is not clear, one of 0.21 is.
        ([0.2, 0.0], [0.0, 0.0], 0),
        ([0.31, 0.11], [0.0, 0.0], 1),
        # Clear, but too little to speak of.
        ([0.01, 0.01, 0.01], [0.0, 0.0, 0.0], 0),
        ([1.0], [0.0], 0),
        ([], [], 0),
    ],
)
def test_what_is_a_clear_difference(own: list[float], other: list[float], sign: int) -> None:
    assert difference(own, other) == sign


def receipt(kept: float, removed: float = 0.0, area: float = 0.2) -> Receipt:
    return Receipt(1.0, {"mean": Kept(kept, removed)}, area, 0.5, 0.0)


def figures(
    kept: float, grid: float | None, area: float = 0.2, count: int = 8, iou: float | None = None, drawn: int = 12
) -> Figures:
    """Eight masks and montages that differ a little; and twelve masks of drawn objects."""
    receipts = [receipt(kept - 0.002 * number, area=area) for number in range(count)]
    grids = [] if grid is None else [grid + 0.002 * number for number in range(count)]
    return Figures(receipts, grids, count, [] if iou is None else [iou + 0.002 * number for number in range(drawn)])


@pytest.mark.parametrize(
    ("own", "better", "says"),
    [
        ((0.9, 0.8), True, "better than what needs no training: score 0.89 against 0.59 of Spread-CAM and GridPG"),
        ((0.6, 0.8), True, "better than what needs no training: GridPG 0.81 against 0.51 of Spread-CAM."),
        ((0.9, None), True, "better than what needs no training: score 0.89"),
        ((0.6, 0.5), False, "not clearly better than what needs no training: score 0.59 against 0.59"),
        ((0.6, 0.4), False, "worse than what needs no training: GridPG 0.41 against 0.51"),
        ((0.3, 0.4), False, "worse than what needs no training: score 0.29 against 0.59 of Spread-CAM and GridPG"),
        ((0.9, 0.4), False, "better in one thing and worse in another: score 0.89"),
    ],
)
def test_the_verdict(own: tuple[float, float | None], better: bool, says: str) -> None:
    kept, grid = own
    rival = figures(0.6, None if grid is None else 0.5)
    found = judged({EXPLAINER: figures(kept, grid), "Spread-CAM": rival}, LONG)
    assert found["better"] is better
    assert found["says"].startswith(f"By what the classifier answers, the Explainer is {says}")
    assert bool(found["advice"]) is not better
    assert (found["pictures"], found["masks"], found["montages"]) == (8, 8, 0 if grid is None else 8)


@pytest.mark.parametrize(
    ("iou", "better", "says"),
    [
        # Whatever the classifier answers.
        (0.7, True, "better than what needs no training: IoU 0.71 against 0.51 of Spread-CAM."),
        (0.5, False, "not clearly better than what needs no training: IoU 0.51 against 0.51"),
        (0.3, False, "worse than what needs no training: IoU 0.31 against 0.51"),
    ],
)
def test_where_objects_are_drawn_they_decide(iou: float, better: bool, says: str) -> None:
    own, rival = figures(1.0 - iou, 0.5, iou=iou), figures(0.5, 0.5, iou=0.5)
    found = judged({EXPLAINER: own, "Spread-CAM": rival}, LONG)
    assert found["better"] is better
    assert found["says"].startswith(f"By the objects that are drawn, the Explainer is {says}")
    assert found["drawn"] == 12
    # It was measured already.
    assert MEASURE not in found["advice"]
    assert bool(found["advice"]) is not better
    assert told(found)[0] == "verdict on 8 pictures: 8 masks, 12 of objects that are drawn, 8 montages"
    assert told(found)[1].split()[:3] == ["masks", "by", "IoU"]


def test_a_few_drawn_objects_are_told_and_do_not_decide() -> None:
    own, rival = figures(0.9, 0.5, iou=0.3, drawn=9), figures(0.5, 0.5, iou=0.5, drawn=9)
    found = judged({EXPLAINER: own, "A": rival}, LONG)
    assert found["says"].startswith("By what the classifier answers, the Explainer is better")
    assert found["rows"]["A"]["iou"] == 0.508


def test_one_of_two_rivals_that_is_as_good_is_enough_not_to_be_better() -> None:
    found = judged({EXPLAINER: figures(0.9, 0.5), "A": figures(0.5, 0.5), "B": figures(0.9, 0.5)}, LONG)
    assert found["says"].startswith(
        "By what the classifier answers, the Explainer is not clearly better than what needs no training"
    )


def test_nothing_to_compare() -> None:
    for makers in ({EXPLAINER: figures(0.9, 0.5)}, {EXPLAINER: Figures([], [], 4), "A": Figures([], [], 4)}):
        found = judged(makers, LONG)
        assert not found["better"]
        assert found["says"].startswith("There is nothing to compare")


def row(**changes: float | None) -> dict[str, float | None]:
    return {"kept": 0.8, "full": 0.0, "empty": 0.0, **changes}


@pytest.mark.parametrize(
    ("own", "changes", "first"),
    [
        ({"full": 0.3}, {}, "30% of the masks fill the frame: try --calibration.images 0"),
        ({"full": 0.3}, {"calibrated": False}, "30% of the masks fill the frame: try a larger area_weight"),
        ({"empty": 0.5}, {"calibrated": False}, "50% of the masks are empty: try --calibration.images 60"),
        ({}, {"still_falling": True}, "the validation loss was still falling: train longer, --run.max_epochs 18"),
        ({"kept": 0.4}, {}, "no method's masks keep much"),
        ({}, {"pictures": 80}, "80 pictures to learn from are few"),
        ({}, {"network": "trunk"}, "a network of its own learns more than a head on the classifier"),
        ({}, {"calibrated": False, "pictures": 80}, "80 pictures to learn from are few"),
        ({}, {}, "another objective or network"),
        ({"full": None, "empty": None, "kept": None}, {"pictures": 80}, "no method's masks keep much"),
    ],
)
def test_advice_by_what_the_numbers_say(own: dict[str, float | None], changes: dict[str, Any], first: str) -> None:
    tips = advice({EXPLAINER: row(**own), "A": row(kept=0.4)}, Circumstances(**{**LONG.__dict__, **changes}))
    assert tips[0].startswith(first)
    assert 1 <= len(tips) <= 2


def test_it_is_told_as_a_table_and_a_sentence() -> None:
    found = judged({EXPLAINER: figures(0.6, None), "Spread-CAM": figures(0.6, None)}, LONG)
    lines = told(found)
    assert lines[0] == "verdict on 8 pictures: 8 masks, 0 montages"
    assert lines[1].split()[:4] == ["masks", "by", "score", "kept"]
    # No montage, no object that is drawn, and so no column for them.
    assert lines[2].split() == ["Explainer", "0.59", "0.59", "0.00", "0.00", "0.20", "0.00", "0.00", "1.00"]
    assert lines[4] == found["says"]
    assert lines[5].startswith("try: ")
    assert lines[-1] == f"try: {MEASURE}"
    assert not math.isnan(found["rows"]["Explainer"]["score"])


def test_settings() -> None:
    assert Verdict().images > 0
    assert Verdict(images=0).images == 0
    with pytest.raises(InputError, match=r"verdict\.images=-1"):
        Verdict(images=-1)
