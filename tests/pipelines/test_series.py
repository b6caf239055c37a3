from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from explanans.ops.registration import Shift
from explanans.pipelines.growth_tables import decimals, steps_of, summary, written
from explanans.pipelines.series import CUTS, MEASURES, Photo, Series

NAMES = {name: name for name in MEASURES}


def photo(day: int, value: float, spread: float = 0.0, number: float = 1.0) -> Photo:
    """All sizes are ``value``, and differ by ``spread`` from cut to cut."""
    middle = CUTS.index(0.0)
    measures = tuple(
        {**dict.fromkeys(MEASURES, value + spread * (middle - place)), "number": number} for place in range(len(CUTS))
    )
    moment = datetime(2026, 1, day)
    return Photo(Path(f"{day}.jpg"), moment, f"2026-01-{day:02}", Shift(), (), measures, 0.9, "holds", True)


def series(*photos: Photo, mm_per_pixel: float | None = None, tolerance: float = 0.0) -> Series:
    return Series("wall", "crack", photos, (0, 9, 0, 9), mm_per_pixel, 0.5, tolerance)


def test_a_range_is_that_of_both_cuts_and_of_a_pixel() -> None:
    steps = {step["measure"]: step for step in series(photo(1, 10, 0.5), photo(11, 14, 1)).steps()}
    # 14 ± 2 against 10 ± 1; lengths are known to a pixel.
    assert (steps["area"]["low"], steps["area"]["high"]) == (1, 7)
    assert (steps["length"]["low"], steps["length"]["high"]) == (0, 8)
    assert (steps["area"]["says"], steps["length"]["says"]) == ("grows", "unsure")
    assert (steps["area"]["per_time"], steps["area"]["per"]) == (0.4, "day")
    assert (steps["number"]["low"], steps["number"]["high"], steps["number"]["says"]) == (0, 0, "not judged")


@pytest.mark.parametrize(
    ("after", "says"), [(12.2, "grows"), (10.9, "unsure"), (9.2, "unsure"), (8.5, "shrinks"), (0, "shrinks")]
)
def test_a_width_that_differs_by_less_than_a_pixel_says_nothing(after: float, says: str) -> None:
    steps = {step["measure"]: step for step in series(photo(1, 10), photo(2, after)).steps()}
    assert steps["widest"]["says"] == says


def test_a_tolerance_is_a_share_of_the_larger_size() -> None:
    # 4 less 10 % of 14, for lengths less a pixel too.
    steps = {step["measure"]: step for step in series(photo(1, 10), photo(2, 14), tolerance=0.1).steps()}
    assert (steps["area"]["low"], steps["area"]["high"]) == pytest.approx((2.6, 5.4))
    assert (steps["length"]["low"], steps["length"]["high"]) == pytest.approx((1.6, 6.4))
    shrunk = series(photo(1, 14), photo(2, 10), tolerance=0.3).steps()[0]
    assert (shrunk["measure"], shrunk["high"], shrunk["says"]) == ("area", pytest.approx(0.2), "unsure")


def test_sizes_are_scaled_and_areas_twice() -> None:
    steps = {step["measure"]: step for step in series(photo(1, 10), photo(2, 14), mm_per_pixel=0.5).steps()}
    assert (steps["area"]["before"], steps["area"]["growth"], steps["area"]["unit"]) == (2.5, 1, "mm²")
    assert (steps["longest"]["before"], steps["longest"]["low"], steps["longest"]["unit"]) == (5, 1.5, "mm")


def test_what_is_in_neither_photo_is_absent() -> None:
    for step in series(photo(1, 0, number=0), photo(2, 0, number=0)).steps():
        assert (step["says"], step["growth"], step["low"], step["high"]) == ("absent", 0, 0, 0)


def test_the_whole_is_from_the_first_to_the_last() -> None:
    many = series(photo(1, 10), photo(2, 30), photo(11, 20))
    assert len(many.steps()) == 2 * len(MEASURES)
    (area,) = (step for step in many.whole() if step["measure"] == "area")
    assert (area["from"], area["to"], area["growth"], area["per_time"]) == ("2026-01-01", "2026-01-11", 10, 1)


def test_tables_by_hand() -> None:
    many = series(photo(1, 10), photo(31, 20), mm_per_pixel=0.4)
    header, rows = summary(many, NAMES)
    assert header == ["measure", "it", "2026-01-01", "2026-01-31", "growth", "range", "per 30 days"]
    assert rows[0] == ["area", "grows", "2 mm²", "3 mm²", "+2 (+100 %)", "+2 to +2", "+1.6"]
    assert rows[1] == ["length", "grows", "4.0 mm", "8.0 mm", "+4.0 (+100 %)", "+3.6 to +4.4", "+4.00"]
    header, rows = steps_of(many, "number")
    assert header[:2] == ["step", "it"]
    assert rows == [["2026-01-01 to 2026-01-31", "not judged", "1", "1", "0 (0 %)", "0 to 0", "0.0"]]


def test_a_table_of_what_is_absent_or_new_divides_by_nothing() -> None:
    absent = steps_of(series(photo(1, 0, number=0), photo(2, 0, number=0)), "area")[1]
    assert absent == [["2026-01-01 to 2026-01-02", "absent", "0", "0", "0", "", "0.0"]]
    (new,) = steps_of(series(photo(1, 0, number=0), photo(2, 8)), "length")[1]
    assert new[1:5] == ["grows", "0.0", "8.0", "+8.0"]


@pytest.mark.parametrize(
    ("mm_per_pixel", "lengths", "areas"), [(None, 1, 0), (0.4, 1, 0), (0.1, 2, 2), (0.05, 2, 2), (25.0, 0, 0)]
)
def test_decimals_end_where_a_pixel_ends(mm_per_pixel: float | None, lengths: int, areas: int) -> None:
    many = series(photo(1, 1), photo(2, 1), mm_per_pixel=mm_per_pixel)
    assert (decimals(many, "longest"), decimals(many, "area"), decimals(many, "number")) == (lengths, areas, 0)


def test_numbers_as_people_write_them() -> None:
    assert written(-0.04, 1, sign=True) == "0.0"
    assert written(-12345.6, 0) == "−12,346"
    assert written(0.05, 2, sign=True) == "+0.05"
