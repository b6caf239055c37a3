from __future__ import annotations

import io
from pathlib import Path

import pytest

from explanans.benchmark.runner import run_benchmark
from explanans.benchmark.timetable import GUESS, Timetable, followed
from explanans.utils.progress import Progress


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


def test_what_is_done_and_how_long_it_takes_is_a_line_where_it_is_piped() -> None:
    now, stream = [0.0], io.StringIO()
    with Progress("benchmark", stream=stream, clock=lambda: now[0]) as progress:
        table = Timetable(progress)
        table.plan("resnet rise scores", 10, 60.0)
        table.begin("resnet rise scores")
        # Longer than until the first line.
        now[0] = 60.0
        table.advance("resnet rise scores", 1, 60.0)
        # Nothing is due yet.
        now[0] = 61.0
        table.advance("resnet rise scores", 1, 60.0)
    assert stream.getvalue().splitlines() == [
        "benchmark: 10%, resnet rise scores, 0:09:00 left",
        "benchmark: 20%, took 0:01:01",
    ]


def test_a_benchmark_tells_everything_it_does_and_ends_at_nothing_left(make_settings, tmp_path: Path) -> None:
    begun: list[str] = []
    left: list[float] = []

    class Watched(Timetable):
        def begin(self, job: str) -> None:
            begun.append(job)

        def advance(self, job: str, images: int, seconds: float) -> None:
            assert job == begun[-1]
            super().advance(job, images, seconds)
            left.append(self.remaining)

    settings = make_settings(
        {"evidence": {}, "slow": {"method": "noise", "subset": "shared"}},
        metrics=["segmentation", "sanity"],
        threshold_split="train[:4]",
        sanity_stages=2,
    )
    watched = Watched()
    run_benchmark(settings, tmp_path / "out", watched)
    kinds = ("costs", "thresholds", "scores", "sanity")
    assert set(begun) == {f"tiny {name} {kind}" for name in ("evidence", "slow") for kind in kinds}
    assert max(left) > 0
    assert left[-1] == 0
    assert watched.spent > 0
    begun.clear()
    again = Watched()
    run_benchmark(settings, tmp_path / "out", again)
    assert (again.remaining, again.spent, begun) == (0, 0, [])


def test_nothing_is_written_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with followed(show=False) as timetable:
        timetable.plan("job", 3)
        timetable.advance("job", 3, 1.0)
    assert capsys.readouterr() == ("", "")
