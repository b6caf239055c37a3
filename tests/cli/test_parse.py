from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from explanans.cli.options import Given, Part, options_of
from explanans.cli.parse import Parser
from explanans.errors import InputError


@dataclass(frozen=True)
class Machine:
    epochs: int = 3
    seed: int = 0
    quick: bool = False


@dataclass(frozen=True)
class Method:
    subset: str = "all"
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    width: int
    height: int


def fit(
    data: str,
    pictures: list[str],
    names: dict[str, str] | None = None,
    methods: dict[str, Method] | None = None,
    metrics: list[str] = ["a"],  # noqa: B006
    options: dict[str, Any] | None = None,
    size: Size | None = None,
    machine: Machine | None = None,
    often: int | None = None,
    report: bool = True,
) -> None:
    """Fit."""


def run(given: Given) -> int:
    return 0


PARSER = Parser("explanans fit", options_of((Part(fit),), run), lambda name: name)


def built(*words: str) -> dict[str, Any]:
    return PARSER.parse(words).values.build()


def test_words_in_any_order() -> None:
    found = built("--often", "2", "d", "--machine.seed=-1", "one.jpg", "--no_report", "--quiet", "two.jpg", "--", "--x")
    assert (found["data"], found["pictures"]) == ("d", ["one.jpg", "two.jpg", "--x"])
    assert (found["often"], found["machine"], found["report"], found["quiet"]) == (2, Machine(seed=-1), False, True)
    assert built("d", "p", "--report", "--data", "later")["data"] == "d"
    switches = (["--no_report"], ["--report", "false"], ["--report=no"], ["--no_report=true"])
    assert [built("d", "p", *words)["report"] for words in switches] == [False] * 4
    assert built("d", "--report", "true", "p")["pictures"] == ["p"]
    switches = (["--machine.quick"], ["--machine.quick", "true"], ["--no_machine.quick=false"], ["--machine.quick=yes"])
    assert [built("d", "p", *words)["machine"].quick for words in switches] == [True] * 4
    assert built("d", "p", "--machine.quick", "--no_machine.quick")["machine"].quick is False
    assert built("--data", "d", "--pictures", "[p]")["pictures"] == ["p"]


def test_settings_inside_of_settings() -> None:
    found = built(
        *["d", "p", "--names.mine.v2", "x", "--names", "{a: b}", "--names.c", "d", "--metrics+", "b", "--metrics+=c"],
        *["--methods.constant_0.5", "{}", "--methods.mine.subset", "shared", "--methods.mine.settings.layer.name", "l"],
        *["--options", "{rate: 1e-3}", "--options.deep.er", "null", "--size.width", "3", "--size.height", "4"],
    )
    assert found["names"] == {"a": "b", "c": "d"}
    assert found["metrics"] == ["a", "b", "c"]
    assert found["methods"] == {"constant_0.5": Method(), "mine": Method("shared", {"layer": {"name": "l"}})}
    assert found["options"] == {"rate": 0.001, "deep": {"er": None}}
    assert found["size"] == Size(3, 4)


def test_files_and_words_follow_each_other(tmp_path: Path) -> None:
    file, group = tmp_path / "c.yaml", tmp_path / "g.yaml"
    file.write_text("data: from file\nmachine: {epochs: 7}\nmetrics: [x]\nmethods: {m: {subset: s}}\n")
    group.write_text("seed: 9\n")
    words = ["--often", "1", "--machine.seed", "5", "--config", str(file), "--pictures", "p"]
    found = built(*words, "--methods.m.settings.a", "1")
    assert (found["data"], found["machine"], found["metrics"]) == ("from file", Machine(7, 5), ["x"])
    assert found["methods"] == {"m": Method("s", {"a": 1})}
    words = ["d", "p", "--config", str(file)]
    assert built(*words, "--machine.epochs=1", f"--machine={group}")["machine"] == Machine(1, 9)
    assert built(*words, "--machine", "{seed: 2}")["machine"] == Machine(7, 2)


def test_a_printed_configuration_says_the_same(tmp_path: Path) -> None:
    words = ["d", "p", "--machine.seed", "4", "--methods.m.subset", "s", "--size", "{width: 1, height: 2}", "--quiet"]
    request = PARSER.parse([*words, "--print_config"])
    assert request.show == "config"
    file = tmp_path / "c.yaml"
    file.write_text(request.values.configuration())
    assert built("--config", str(file)) == built(*words)
    changed = yaml.safe_load(PARSER.parse([*words, "--print_config=skip_default"]).values.configuration(changed=True))
    assert changed == {
        **{"data": "d", "pictures": ["p"], "machine": {"seed": 4}, "methods": {"m": {"subset": "s"}}},
        **{"size": {"width": 1, "height": 2}, "quiet": True},
    }
    # What was not given is nothing, and may follow.
    file.write_text(PARSER.parse(["--print_config"]).values.configuration())
    assert built("--config", str(file), "d", "p") == built("d", "p")


@pytest.mark.parametrize(
    ("words", "show"),
    [(["--print_config"], "config"), (["d", "--machine.help"], "machine"), (["--methods.help"], "methods")],
)
def test_what_is_shown_instead(words: list[str], show: str) -> None:
    assert PARSER.parse(words).show == show


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["d"], r"PICTURES missing; write explanans fit DATA PICTURES\.\.\. \[options\]"),
        ([], "DATA and PICTURES missing"),
        (["d", "p", "--oftn", "1"], r"--oftn is no option of explanans fit \(did you mean --often\?\)"),
        (["d", "p", "--epochs", "1"], r"--epochs is no option .*did you mean --machine.epochs"),
        (["d", "p", "--machine.epoch", "1"], "did you mean --machine.epochs"),
        (["d", "p", "--size.depth", "1"], "--size.depth is no option"),
        (["d", "p", "-o", "1"], "^-o is no option"),
        (["d", "p", "--often"], "--often has no value; give a whole number or null after it"),
        (["d", "p", "--often", "--quiet"], "--often has no value"),
        (["d", "p", "--often", "x"], "--often='x'; give a whole number or null"),
        (["d", "p", "--quiet=maybe"], "--quiet='maybe'; give true or false"),
        (["d", "p", "--no_quiet=maybe"], "--no_quiet='maybe'; give true or false"),
        (["d", "p", "--often+", "1"], r"--often\+: it is no list"),
        (["d", "p", "--machine", "3"], r"--machine=3; give settings such as \{epochs: …\}"),
        (["d", "p", "--size.width", "3"], "--size: height missing; it needs width, height"),
        (["d", "p", "--help.me", "3"], "--help.me is no option"),
        (["d", "p", "--print_config=all"], "'all' is unknown; write --print_config or"),
        (["d", "p", "--names", "{a: 1}"], r"--names.a=1; give text \(put it into quotes\)"),
        (["d\0", "p"], "has a NUL byte"),
        (["d", "p", "--often", "\0"], "has a NUL byte"),
    ],
)
def test_what_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        built(*words)


def test_one_too_many() -> None:
    parser = Parser("explanans voc", options_of((Part(lambda folder: None),), run), str)
    with pytest.raises(InputError, match="'b' is one argument too many, or a second value of an option"):
        parser.parse(["a", "b"])
