from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from explanans.errors import InputError
from explanans.utils.typed import Count, check_settings, convert, read, settings_of, wanted

KNOWN: dict[str, Any] = {
    "size": Count,
    "rate": float,
    "cache": bool,
    "task": str | None,
    "outputs": Literal["logits", "softmax"],
}


@dataclass(frozen=True)
class Colour:
    red: float
    green: float = 0.5
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.red > 1:
            raise InputError(f"red={self.red} must be at most 1.")


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("7", int, 7),
        ("-7", int | None, -7),
        ("null", int | None, None),
        ("7", str, "7"),
        ("null", str, "null"),
        ("null", str | None, None),
        ("1e-3", float, 0.001),
        ("yes", bool, True),
        ("2007", Literal[2007, 2012], 2007),
        ("auto", int | str, "auto"),
        ("2", int | str, 2),
        ("a, b,", list[str], ["a", "b", ""]),
        ("[a, 'b,c']", list[str], ["a", "b,c"]),
        ("0.5,1,2e-1", tuple[float, float, float] | None, (0.5, 1.0, 0.2)),
        ("[1, 2]", tuple[int, ...], (1, 2)),
        ("224", int | tuple[int, int], 224),
        ("224,112", int | tuple[int, int], (224, 112)),
        ("{a: 1e-5, b: [x]}", dict[str, Any], {"a": 1e-5, "b": ["x"]}),
        ("{red: 1}", Colour | None, Colour(1.0)),
        ("1e-5", Any, 1e-5),
        ("2020-01-01", Any, "2020-01-01"),
    ],
)
def test_text_to_values(text: str, hint: Any, value: Any) -> None:
    found = read(text, hint, "--it")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("value", "hint", "as_wanted"),
    [
        (1, float, 1.0),
        ([1, 2.0], tuple[float, float], (1.0, 2.0)),
        ([1, 2], Sequence[int], [1, 2]),
        ({"a": [1]}, Mapping[str, list[int]], {"a": [1]}),
        ({"mine": {"red": 0, "names": ["x"]}}, dict[str, Colour], {"mine": Colour(0.0, names=["x"])}),
        (Colour(0.1), Colour, Colour(0.1)),
        (None, Path | None, None),
        ("a/b", str | Path, "a/b"),
    ],
)
def test_values_to_values(value: Any, hint: Any, as_wanted: Any) -> None:
    assert convert(value, hint, "it") == as_wanted


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("value", "hint", "said"),
    [
        (True, int, "it=True; give a whole number"),
        (1.0, int, "it=1.0; give a whole number"),
        (None, int, "it=null; give a whole number"),
        ("1", float, "it='1'; give a finite number"),
        (math.nan, float, "it=nan; give a finite number"),
        (False, str, r"it=False; give text \(put it into quotes\)"),
        (2007, str | None, r"it=2007; give text or null \(put it into quotes\)"),
        ([1], tuple[int, int], "give 2 values, each a whole number"),
        ([1, "x"], list[int], "it='x'; give a whole number"),
        ({"a": {"b": [math.inf]}}, dict[str, Any], "it.a.b=inf; give a finite number"),
        ({1: 2}, dict[str, Any], "the name 1 is no text; put it into quotes"),
        ({"red": 1, "gren": 1}, Colour, r"'gren' is no option of it \(did you mean 'green'\?\)"),
        ({"green": 1}, Colour, "it: red missing; it needs red"),
        ({"red": 2}, Colour, "it: red=2.0 must be at most 1"),
        ({"red": "much"}, Colour | None, "it: red='much'; give a finite number"),
        (3, Colour | None, r"it=3; give settings such as \{red: …\} or null"),
        ("x", dict[str, int], "it='x'; give settings such as"),
    ],
)
def test_values_of_another_type(value: Any, hint: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        convert(value, hint, "it")


def test_types_in_words() -> None:
    assert wanted(Literal["a", "b"] | None) == "one of a, b or null"
    assert wanted(Count) == "a whole number of at least 1"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"checkpoint_path": "evil.pth"}, "'checkpoint_path' is no option of it"),
        ({"size": "3"}, "size='3'; give a whole number of at least 1"),
        ({"size": True}, "size=True"),
        ({"size": 0}, "size=0"),
        ({"rate": float("nan")}, "rate=nan; give a finite number"),
        ({"rate": None}, "rate=null; give a finite number"),
        ({"cache": 1}, "cache=1; give true or false"),
        ({"outputs": "sigmoid"}, "give one of logits, softmax"),
        ({"widths": [16, "32"]}, "widths='32'; give a whole number"),
    ],
)
def test_settings_that_are_values_already(settings: dict[str, Any], said: str) -> None:
    known = {**KNOWN, "widths": list[int]}
    check_settings({"size": 2, "rate": 1, "cache": True, "task": None, "widths": [16, 32]}, known, "it")
    with pytest.raises(InputError, match=f"^it: .*{said}"):
        check_settings(settings, known, "it")


def test_settings_of_a_function_and_of_a_class() -> None:
    def function(root: str, *, task: str | None = None, cache: bool = False) -> None: ...

    assert settings_of(function, without=("root",)) == {"task": str | None, "cache": bool}

    class Thing:
        def __init__(self, width: Count = 1) -> None: ...

    assert settings_of(Thing) == {"width": Count}
