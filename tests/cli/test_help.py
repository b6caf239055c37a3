from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from explanans.cli import kept_help as kept_help_module
from explanans.cli.help import command_help, settings_help
from explanans.cli.kept_help import kept_help
from explanans.cli.main import main
from explanans.cli.options import Given, Part, options_of
from explanans.cli.parse import Parser


@dataclass(frozen=True)
class Machine:
    """What it runs on.

    Args:
        seed: of :mod:`everything`.
        cache: keep pictures.
    """

    seed: int = 7
    cache: bool = True


def fit(
    data: str,
    *,
    rate: float = 1e-5,
    kind: Literal["a", "b"] | None = None,
    names: list[str] = ["x", "y"],  # noqa: B006
    machine: Machine | None = None,
    quick: bool = False,
    report: bool = True,
) -> None:
    """Fit.

    Args:
        data: what is ``learned``.
        rate: how fast.
        names: of things.
        report: Write it too.
    """


def run(given: Given) -> int:
    return 0


def test_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    parser = Parser("explanans fit", options_of((Part(fit),), run), str)
    text = command_help(parser, "Train.\n\nA long\n   second paragraph.\n")
    assert text.startswith("usage: explanans fit DATA [options]\n\nTrain.\n\nA long second paragraph.\n\narguments:\n")
    lines = [line.strip() for line in text.splitlines()]
    for wanted in (
        "DATA                    what is learned.",
        "--rate X                how fast. (default: 1e-05)",
        "--kind {a,b}",
        "--names TEXT,TEXT,…     of things. --names+ adds one. (default: x,y)",
        "--quick",
        "--no_report             do not write it too.",
        "--machine FILE.yaml, or one by one: What it runs on.",
        "--machine.seed N        of everything. (default: 7)",
        "--no_machine.cache      do not keep pictures.",
    ):
        assert wanted in lines
    assert all(len(line) <= 80 for line in text.splitlines())
    (machine,) = [option for option in parser.options if option.is_group]
    assert settings_help(machine).splitlines() == [
        "--machine: What it runs on.",
        "  seed N                  of everything.",
        "  cache {true,false}      keep pictures.",
    ]


def test_settings_by_name_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--methods.help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("--methods.NAME: One method of a benchmark.")
    assert "  subset {all,shared}" in text


def test_a_help_is_made_once_for_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package" / "inner"
    package.mkdir(parents=True)
    (package / "module.py").write_text("1")
    monkeypatch.setattr(kept_help_module, "PACKAGE", package.parent)
    monkeypatch.setenv("EXPLANANS_CACHE", str(tmp_path / "cache"))
    made: list[str] = []

    def make() -> str:
        made.append("x")
        return f"text {len(made)}"

    assert [kept_help("data voc", make) for _ in range(3)] == ["text 1"] * 3
    (package / "module.py").write_text("12")
    assert [kept_help("data voc", make) for _ in range(2)] == ["text 2"] * 2
    monkeypatch.setenv("COLUMNS", "61")
    assert kept_help("data voc", make) == "text 3"
    (file,) = (tmp_path / "cache" / "help").iterdir()
    for damaged in ("{", "[]", '{"state": 1}', "\xff"):
        file.write_text(damaged, encoding="latin-1")
        assert kept_help("data voc", make) == f"text {len(made)}"
    assert len(made) == 7
    # Where nothing can be written it is made every time.
    monkeypatch.setenv("EXPLANANS_CACHE", str(package / "module.py"))
    assert [kept_help("data voc", make) for _ in range(2)] == ["text 8", "text 9"]


def test_the_second_time_nothing_heavy_is_imported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "scenes", "--help"]) == 0
    program = "import sys; from explanans.cli.main import main; main(['data', 'scenes', '-h']);"
    program += "assert not {'torch', 'numpy', 'yaml', 'docstring_parser'} & set(sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert printed == capsys.readouterr().out


def test_the_package_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "explanans", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("explanans ")
