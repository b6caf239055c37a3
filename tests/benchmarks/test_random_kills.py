"""A few random kills, and faults that are planted, each of which is to be seen; the long form is in benchmarks/."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from .scripts import load

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="forks, and finds processes in /proc")


load("compared_files")
killing = load("killing")
random_kills = load("random_kills")


def test_some_commands_end_as_if_nobody_had_killed_them(capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--kills", "2", "--only", "data scenes", "explain shards", "--seed", "3"]
    assert random_kills.main(words) == 0, capfd.readouterr().out
    told = capfd.readouterr().out
    *_, total, seed = told.splitlines()
    name, trials, kills, _, wrong = total.split()
    assert (name, wrong) == ("all", "0")
    assert 2 <= int(kills) <= 3
    assert int(trials) >= 2
    assert seed.endswith("seed 3")


GOOD = {"a/result": b"good", "b": b"good"}


def trial(fault: Callable[[Path], object], folder: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> str:
    """What is said of a command that does its work, and then something wrong."""

    def command(words: list[str]) -> int:
        out = Path(words[-1])
        for name, content in GOOD.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(content)
        status = fault(out)
        return status if isinstance(status, int) else 0

    monkeypatch.setattr(killing, "explanans", command)
    given = killing.Command("do {out}", **options)
    place = killing.Place(given, folder / "do" / "out", folder / "log", dict(GOOD), 0.05)
    place.out.parent.mkdir()
    tally = killing.Tally()
    found = killing.trial(place, random.Random(1), tally)
    assert (tally.trials, len(found) <= 1) == (1, True)
    return "".join(found)


def differs(out: Path) -> None:
    (out / "a" / "result").write_bytes(b"bad")


def stays(out: Path) -> None:
    """A worker that outlives everything."""
    if os.fork() == 0:
        time.sleep(60)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda out: None, ""),
        (differs, "a/result differs"),
        (lambda out: (out / "b").unlink(), "b missing"),
        (lambda out: (out / "c").touch(), "c new"),
        (lambda out: 2, "status 2, not 0"),
        (lambda out: sys.exit(3), "status 3, not 0"),
        (lambda out: (out / ".b.01234567-1-2.abcdefgh.tmp").touch(), "out/.b.01234567-1-2.abcdefgh.tmp is left"),
        (lambda out: tempfile.mkdtemp(prefix="mine"), "tmp/mine"),
        (lambda out: time.sleep(30), "hangs"),
        (stays, "a process is alive 0.5 s later"),
    ],
    ids=["good", "differs", "missing", "new", "status", "exit", "temporary", "scratch", "hangs", "process"],
)
def test_what_is_wrong_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Path], object], told: str
) -> None:
    monkeypatch.setattr(killing, "PATIENCE", 3.0)
    monkeypatch.setattr(killing, "LINGERING", 0.5)
    found = trial(fault, tmp_path, monkeypatch)
    if told:
        assert found.partition(": ")[2].startswith(told), found
        assert "SIG" in found
    else:
        assert found == ""


@pytest.mark.parametrize(
    ("content", "told"), [(b"12345678", ""), (b"1234", ""), (b"", "2 answers lost"), (b"1235", "f32 differs")]
)
def test_answers_of_a_box_may_be_lost_but_not_change(content: bytes, told: str) -> None:
    whole = {"answers/x.f32": b"12345678", "answers/spent.txt": b"2\n", "model": b""}
    place = killing.Place(killing.Command("", answers=4, most_lost=1), Path(), Path(), whole, 1.0)
    found = "".join(killing.lost_answers(place, {**whole, "answers/x.f32": content}, 1))
    assert found.endswith(told)
    assert bool(found) == bool(told)


def test_commands_are_killed_as_often_as_they_weigh() -> None:
    chosen = {"often": killing.Command("", weight=3), "once": killing.Command("")}
    turns = list(islice(random_kills.in_turn(chosen), 8))
    assert turns == ["often", "often", "once", "often"] * 2
