from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from explanans.cli.options import QUIET, REQUIRED, Given, Part, descriptions, options_of, plain, shell_type
from explanans.errors import InputError


class InHand:
    """Something that cannot be written in a shell."""


@dataclass(frozen=True)
class Machine:
    """Length and machine.

    Args:
        epochs: at most this many.
        seed, workers: passed on.
    """

    epochs: int = 3
    seed: int = 0
    workers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Needs:
    size: int


def load(spec: str | Path, *, weights: str | None = None, needs: Needs | None = None, trust: bool = False) -> InHand:
    """Load.

    Args:
        spec: ``timm:NAME``, see :func:`explanans.open_dataset`;
            None for nothing.
        weights: of :class:`~explanans.Explainer`.
        trust: run its code.
    """
    return InHand()


def fit(
    thing: InHand,
    data: str | InHand,
    pictures: Sequence[str],
    *,
    trust: bool = True,
    kind: Literal["a", "b"] = "a",
    machine: Machine | None = None,
    options: Mapping[str, Any] | None = None,
    hidden: int = 1,
    out: str | Path = "runs",
) -> tuple[Any, ...]:
    """Fit.

    Args:
        data: what is learned.
        trust: of the second.
        machine: length and machine.
    """
    return (thing, data, pictures, trust, kind, machine, options, hidden, out)


PARTS = (
    Part(load, names={"spec": "classifier"}, defaults={"weights": "published"}),
    Part(fit, without=("hidden",)),
)


def run(given: Given, kind: Literal["a", "b", "c"] = "c", often: int = 2) -> int:
    """Run.

    Args:
        often: how often.
    """
    return 0


def test_the_options_of_several_functions_and_of_the_command() -> None:
    options = {option.name: option for option in options_of(PARTS, run)}
    assert list(options)[:3] == ["classifier", "data", "pictures"]
    assert [options[name].place for name in ("classifier", "data", "pictures", "out")] == ["1", "1", "+", ""]
    assert all(options[name].default is REQUIRED for name in ("classifier", "data", "pictures"))
    assert options["classifier"].hint is str
    assert options["classifier"].help == "timm:NAME, see open_dataset; null for nothing."
    assert options["pictures"].hint == list[str]
    assert (options["weights"].hint, options["weights"].default) == (str | None, "published")
    # Of two that share a name the first describes it, and what the command says itself goes before.
    assert (options["trust"].help, options["trust"].default, options["trust"].is_switch) == (
        "run its code.",
        False,
        True,
    )
    assert options["kind"].hint == Literal["a", "b", "c"]
    assert options["kind"].default == "c"
    # A group where the library needs none of the settings; otherwise settings or nothing.
    assert (options["machine"].hint, options["machine"].default) == (Machine, Machine())
    assert [part.name for part in options["machine"].parts()] == ["machine.epochs", "machine.seed", "machine.workers"]
    assert options["machine"].parts()[1].help == "passed on."
    assert (options["needs"].hint, options["needs"].default) == (Needs | None, None)
    assert options["options"].hint == dict[str, Any] | None
    assert options["quiet"] == QUIET
    assert "thing" not in options
    assert "hidden" not in options
    assert "given" not in options


def test_a_class_of_settings() -> None:
    @dataclass
    class Settings:
        cache: bool = True
        names: list[str] = field(default_factory=lambda: ["a"])

    cache, names = Part(Settings).options()
    assert (cache.is_switch, cache.default) == (True, True)
    assert names.default == ["a"]


def test_functions_are_called_with_their_own_options() -> None:
    values = {option.name: option.default for option in options_of(PARTS, run)}
    values |= {"classifier": "x", "data": "d", "pictures": ["p"], "trust": True, "kind": "b"}
    given = Given(values, PARTS)
    assert (given["often"], given.get("hidden"), len(given)) == (2, None, len(values))
    thing = given.call(load)
    assert given.call(fit, thing) == (thing, "d", ["p"], True, "b", Machine(), None, 1, "runs")
    assert given.call(fit, thing, "other", kind="a")[1:5] == ("other", ["p"], True, "a")


def test_a_complaint_names_the_option_and_not_the_librarys_parameter() -> None:
    def cut(smallest: int = 16, other: int = 1) -> None:
        raise InputError(f"smallest={smallest}; give more." if smallest < 0 else f"other={other}; smallest=3 is fine.")

    part = Part(cut, names={"smallest": "smallest_region"})
    with pytest.raises(InputError, match=r"^smallest_region=-3; give more\.$"):
        Given({"smallest_region": -3, "other": 1}, [part]).call(cut)
    with pytest.raises(InputError, match=r"^other=1; smallest=3 is fine\.$"):
        Given({"smallest_region": 3, "other": 1}, [part]).call(cut)


@pytest.mark.parametrize(
    ("hint", "written"),
    [
        (str | Path | None, str | None),
        (Sequence[str] | str | Path | None, str | None),
        (Literal["published"] | str | None, str | None),
        (Mapping[str, Any] | None, dict[str, Any] | None),
        (str | InHand, str),
        (InHand | None, None),
        (InHand, None),
        (Callable[[int], int], None),
        (Sequence[InHand], None),
        (tuple[float, float] | None, tuple[float, float] | None),
        (int, int),
    ],
)
def test_what_can_be_written_in_a_shell(hint: Any, written: Any) -> None:
    assert shell_type(hint) == written


def test_a_docstring_as_a_terminal_shows_it() -> None:
    assert plain("``a``, see :meth:`~x.Y.save` and\n   :func:`fit`; None for *all of* 2*3*4, Nonesuch") == (
        "a, see save and fit; null for all of 2*3*4, Nonesuch"
    )
    assert descriptions(fit) == {
        "data": "what is learned.",
        "trust": "of the second.",
        "machine": "length and machine.",
    }
    assert descriptions(lambda: None) == {}
