from __future__ import annotations

import pytest

from explanans.errors import InputError
from explanans.utils.yaml_text import parse_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


def test_numbers_dates_and_nothing() -> None:
    text = "{a: 1e-5, b: 1.5, c: 2007-01-01, d: .inf, e: 1.2.3, f: 'x', g: null, h: 12, i: -.5, j: 1e}"
    assert parse_yaml(text, "it") == {
        **{"a": 1e-5, "b": 1.5, "c": "2007-01-01", "d": float("inf"), "e": "1.2.3", "f": "x"},
        **{"g": None, "h": 12, "i": -0.5, "j": "1e"},
    }
    assert parse_yaml("", "it") is None
    assert parse_yaml("a: &x [1, 2]\nb: *x", "it") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, r"it, line \d+: its aliases stand for more than 100,000 values"),
        ("a: &a [*a]", "it, line 1: an alias holds itself"),
        ("a: 1\nb: {c: 1, c: 2}", "it, line 2: 'c' is given twice"),
        ("a: 1\na: 1", "it, line 2: 'a' is given twice"),
        ("a: [1", "it, line 1: .*this is no YAML"),
        ("a: *nobody", "it, line 1: found undefined alias"),
        ("!!python/object/apply:os.system [echo]", "it, line 1: could not determine a constructor"),
        ("!include other.yaml", "could not determine a constructor"),
        ("a: 1\n--- \nb: 2", "it, line 2: but found another document"),
        # On lines of their own, because what may still be a key is looked at again and again.
        ("[\n" * 20_000, "it: too many levels"),
        ("a: \x07", "it: .*not allowed.*this is no YAML"),
        ("a: " + "9" * 5000, "it: .*this is no YAML"),
        ("a: {b: 1}: 2", "it, line 1: mapping values are not allowed here"),
        ("\ta: 1", "it, line 1: .*cannot start any token"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_yaml(text, "it")
