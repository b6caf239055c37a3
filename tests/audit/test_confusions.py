from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from explanans.audit.confusions import CONFUSED_BY, Confusion, confusions
from explanans.audit.looked import ROWS

CLASSES = ("cat", "dog", "cow")


Row = tuple[int, int, bool | None, bool, float]


def part(rows: Sequence[Row]) -> pa.Table:
    columns = dict(zip(CONFUSED_BY, map(list, zip(*rows, strict=True)), strict=True))
    return pa.table(columns, pa.schema([ROWS.field(name) for name in CONFUSED_BY]))


def taken_for_a_dog(index: int, cat_seen: bool, sure: float) -> list[Row]:
    return [(index, 0, True, cat_seen, 0.5), (index, 1, False, True, sure)]


def test_counted_by_hand() -> None:
    """Four cats that are seen as dogs, in two of them no cat; two cows seen as cats are too few; a dog that is one."""
    first: list[Row] = [*taken_for_a_dog(0, False, 0.6), *taken_for_a_dog(1, True, 0.9), (2, 1, True, True, 0.9)]
    second = [*taken_for_a_dog(3, False, 0.7), *taken_for_a_dog(4, True, 0.8), (5, 0, True, True, 0.9)]
    cows: list[Row] = [row for index in (6, 7) for row in ((index, 2, True, False, 0.1), (index, 0, False, True, 0.8))]
    found = confusions([part(first), part(second + cows)], CLASSES)
    assert found == [Confusion("cat", "dog", 4, 2, 5, [1, 4, 3, 0])]


def test_a_photo_with_two_labels_counts_for_both_and_the_most_frequent_pair_is_first() -> None:
    rows = [
        row
        for index in range(3)
        for row in ((index, 0, True, True, 0.9), (index, 2, True, True, 0.9), (index, 1, False, True, 0.5 + index / 10))
    ]
    more = [row for index in range(3, 5) for row in ((index, 2, True, False, 0.2), (index, 1, False, True, 0.9))]
    found = confusions([part(rows + more)], CLASSES)
    assert [(each.label, each.seen, each.photos, each.missed) for each in found] == [
        ("cow", "dog", 5, 2),
        ("cat", "dog", 3, 0),
    ]
    assert confusions([part(rows + more)], CLASSES, 1) == found[:1]


@pytest.mark.bad_input
def test_nothing_is_confused_where_labels_are_unknown_or_nothing_is_seen() -> None:
    assert confusions([part([(n, 1, None, True, 0.9) for n in range(5)])], CLASSES) == []
    assert confusions([], CLASSES) == []
