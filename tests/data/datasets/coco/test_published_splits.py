from __future__ import annotations

from explanans.data.datasets.coco.published_splits import is_validation, subset_order


def test_the_rules_of_the_splits_are_pinned() -> None:
    """First numbers of train2014 and val2014; another rule would be another experiment."""
    assert [number for number in range(1, 80) if is_validation(number)] == [
        7,
        9,
        10,
        33,
        40,
        44,
        51,
        57,
        59,
        70,
        71,
        74,
    ]
    assert sum(map(is_validation, range(100_000))) == 10_155
    assert subset_order(range(1, 1001))[:8] == [415, 266, 191, 88, 653, 456, 542, 775]
    assert subset_order([900, 3, 17]) == [number for number in subset_order(range(1, 1001)) if number in (900, 3, 17)]
