from __future__ import annotations

import pytest

from explanans.benchmark.progress import GUESS, Timetable, followed
from explanans.benchmark.runner import run_benchmark


def test_time_left_over_jobs_of_different_speed() -> None:
    table = Timetable()
    table.plan("slow", 10, 3.0)
    table.plan("fast", 100)
    assert table.remaining == pytest.approx(30 + 100 * GUESS)
    table.plan("fast", 100, 0.01)
    assert table.remaining == pytest.approx(31)
    # Half as fast as was thought: 6 images at 6 seconds.
    table.advance("slow", 4, 24.0)
    assert table.remaining == pytest.approx(36 + 1)
    assert table.spent == 24.0
    table.advance("slow", 6, 36.0)
    table.advance("fast", 100, 2.0)
    assert table.remaining == 0
    assert table.spent == 62.0


def test_a_benchmark_tells_everything_it_does_and_ends_at_nothing_left(make_settings, tmp_path) -> None:
    left: list[float] = []

    class Watched(Timetable):
        def changed(self, job: str) -> None:
            left.append(self.remaining)

    settings = make_settings(
        {"evidence": {}, "slow": {"method": "noise", "subset": "shared"}},
        metrics=["segmentation", "sanity"],
        threshold_split="train[:4]",
        sanity_stages=2,
    )
    watched = Watched()
    run_benchmark(settings, tmp_path / "out", watched)
    assert max(left) > 0
    assert left[-1] == 0
    assert watched.spent > 0
    again = Watched()
    run_benchmark(settings, tmp_path / "out", again)
    assert (again.remaining, again.spent) == (0, 0)


def test_no_bar_where_nobody_looks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for quiet in (False, True):
        with followed(quiet) as timetable:
            timetable.plan("job", 3)
            timetable.advance("job", 3, 1.0)
        assert type(timetable) is Timetable
    assert capsys.readouterr() == ("", "")


def test_the_bar_shows_the_time_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with followed(quiet=False) as timetable:
        timetable.plan("tiny rise scores", 10, 60.0)
        timetable.advance("tiny rise scores", 1, 60.0)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "tiny rise scores" in captured.err
    assert "0:09:00 left" in captured.err
