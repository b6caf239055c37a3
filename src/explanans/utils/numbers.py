"""Numbers and yes or no that a user gives, checked: whatever else it is, is refused by the argument's name."""

from __future__ import annotations

import math
from numbers import Integral, Real

from explanans.errors import InputError


def check_count(name: str, value: int, minimum: int = 1, below: int | None = None) -> int:
    """``value``, if it is a whole number of at least ``minimum``, and under ``below`` where there is such a limit.

    Raises:
        InputError: it is not.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < minimum or (below is not None and value >= below):
        wanted = f"of at least {minimum}" if below is None else f"from {minimum} to {below - 1}"
        raise InputError(f"{name}={value!r}; give a whole number {wanted}.")
    return value


def check_flag(name: str, value: bool) -> bool:
    """``value``, if it is True or False.

    Raises:
        InputError: it is not.
    """
    if not isinstance(value, bool):
        raise InputError(f"{name}={value!r} is not a truth value; give True or False.")
    return value


def check_number(
    name: str,
    value: float,
    low: float = 0.0,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> float:
    """``value``, if it is a finite number in [low, high]; ``above`` leaves out low, ``below`` leaves out high.

    Raises:
        InputError: it is not.
    """
    number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < low or value > high or (above and value == low) or (below and value == high):
        if high < math.inf:
            wanted = f" in {'(' if above else '['}{low:g}, {high:g}{')' if below else ']'}"
        else:
            wanted = "" if low == -math.inf else f" {'above' if above else 'of at least'} {low:g}"
        raise InputError(f"{name}={value!r}; give a number{wanted}.")
    return value
