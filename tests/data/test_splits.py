from __future__ import annotations

import pytest

from explanans.data.splits import parse_split, part_of
from explanans.errors import InputError


@pytest.mark.parametrize(
    ("part", "count", "expected"),
    [
        ("", 4, [0, 1, 2, 3]),
        ("[:]", 3, [0, 1, 2]),
        ("[:2]", 4, [0, 1]),
        ("[2:]", 4, [2, 3]),
        ("[1:-1]", 4, [1, 2]),
        ("[-1:]", 4, [3]),
        ("[:200]", 3, [0, 1, 2]),
        ("[:50%]", 4, [0, 1]),
        ("[-25%:]", 4, [3]),
        ("[25%:3]", 4, [1, 2]),
        ("[:0%]", 4, []),
        ("[:33%]", 10, [0, 1, 2]),
        ("[:67%]", 10, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_part_of(part: str, count: int, expected: list[int]) -> None:
    assert list(part_of(part, count)) == expected


@pytest.mark.parametrize("count", [1, 7, 222, 1864])
def test_complementary_shares_hold_every_entry_once(count: int) -> None:
    assert [*part_of("[:90%]", count), *part_of("[90%:]", count)] == list(range(count))


def test_parse_split() -> None:
    assert parse_split("train") == ("train", "")
    assert parse_split("train2014[:90%]") == ("train2014", "[:90%]")


@pytest.mark.parametrize(
    "text", ["", "train[", "train[5]", "train[::2]", "train[:x]", "train[:101%]", "train+val", "a b"]
)
def test_bad_splits_say_how_to_write_one(text: str) -> None:
    with pytest.raises(InputError, match=r"train\[:90%\]"):
        parse_split(text)
