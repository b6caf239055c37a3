from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explanans.errors import InputError
from explanans.utils.numbers import check_count, check_flag, check_number


def test_good_numbers_come_back() -> None:
    assert check_count("n", 1) == 1
    assert check_count("n", 0, 0, 10) == 0
    assert check_count("n", np.int64(9), 0, 10) == 9
    assert check_number("x", 0) == 0
    assert check_number("x", np.float32(0.5), 0, 1) == 0.5
    assert check_number("x", 1, 0, 1) == 1
    assert check_number("x", -3, -5, 0) == -3


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None, float("nan"), 10])
def test_counts(value: Any) -> None:
    with pytest.raises(InputError, match=r"n=.*; give a whole number from 1 to 9"):
        check_count("n", value, 1, 10)


def test_a_count_without_a_limit() -> None:
    assert check_count("n", 10**12) == 10**12
    with pytest.raises(InputError, match=r"n=2; give a whole number of at least 3\."):
        check_count("n", 2, 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), "a word", None, True, 1 + 0j])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(InputError, match=r"x=.*; give a number\."):
        check_number("x", value, -float("inf"))


@pytest.mark.parametrize(
    ("value", "options", "wanted"),
    [
        (-0.1, {}, "of at least 0"),
        (0, {"above": True}, "above 0"),
        (1.1, {"high": 1}, r"in \[0, 1\]"),
        (0, {"high": 1, "above": True}, r"in \(0, 1\]"),
        (1, {"high": 1, "below": True}, r"in \[0, 1\)"),
    ],
)
def test_what_is_out_of_range(value: float, options: dict[str, Any], wanted: str) -> None:
    with pytest.raises(InputError, match=rf"x={value}; give a number {wanted}\."):
        check_number("x", value, **options)


def test_yes_or_no() -> None:
    assert check_flag("b", True) is True
    assert check_flag("b", False) is False


@pytest.mark.parametrize("value", [0, 1, "yes", "false", None])
def test_what_is_neither_yes_nor_no(value: Any) -> None:
    with pytest.raises(InputError, match=r"b=.* is not a truth value; give True or False\."):
        check_flag("b", value)
