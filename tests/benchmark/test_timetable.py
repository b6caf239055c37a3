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


def test_what_has_not_begun_is_scored_as_slowly_as_what_is_like_it() -> None:
    table = Timetable()
    table.plan("cheap", 10, 0.1, "scores")
    table.plan("dear", 10, 4.0, "scores")
    table.plan("unmeasured", 10, None, "scores")
    table.plan("other classifier", 10, 1.0, "other scores")
    assert table.remaining == pytest.approx(1 + 40 + 10 * GUESS + 10)
    assert not table.known
    # 0.4 of 0.5 s are scoring: 4.4 s with the dear one's maps, and half a second where nothing is known.
    table.advance("cheap", 10, 5.0, 4.0)
    assert table.remaining == pytest.approx(44 + 5 + 10)
    assert not table.known
    table.advance("other classifier", 5, 4.0)
    # Quicker than its maps were measured.
    assert table.remaining == pytest.approx(44 + 5 + 4)
    assert table.known
    table.plan("another", 10, 1.0, "other scores")
    assert table.remaining == pytest.approx(44 + 5 + 4 + 10)


def test_what_is_done_never_falls() -> None:
    shares: list[float] = []
    with Progress("benchmark", show=False) as progress:
        table = Timetable(progress)
        for job in ("cheap", "dear"):
            table.plan(job, 10)
        table.plan("dear", 10, 4.0)
        for job, seconds in (("cheap", 0.1), ("dear", 40.0)):
            for _ in range(10):
                table.advance(job, 1, seconds)
                assert progress.total == 20
                shares.append(progress.done)
    assert shares == list(range(1, 21))


def test_what_is_done_and_how_long_it_takes_is_a_line_where_it_is_piped() -> None:
    now, stream = [0.0], io.StringIO()
    with Progress("benchmark", unit="images", stream=stream, clock=lambda: now[0]) as progress:
        table = Timetable(progress)
        table.plan("resnet rise scores", 10, 60.0)
        table.begin("resnet rise scores")
        # Longer than until the first line.
        now[0] = 60.0
        table.advance("resnet rise scores", 1, 60.0)
        # Nothing is due yet.
        now[0] = 61.0
        table.advance("resnet rise scores", 1, 60.0)
        table.plan("resnet lime scores", 10, 60.0, "resnet scores")
        now[0] = 80.0
        table.begin("resnet lime scores")
    assert stream.getvalue().splitlines() == [
        "benchmark: 1 of 10 images, resnet rise scores, 0:09:00 left",
        "benchmark: 2 of 20 images, resnet lime scores, at least 0:18:00 left",
        "benchmark: 2 of 20 images, took 0:01:20",
    ]


def test_a_benchmark_tells_everything_it_does_and_ends_at_nothing_left(make_settings, tmp_path: Path) -> None:
    begun: list[str] = []
    left: list[float] = []

    class Watched(Timetable):
        def begin(self, job: str) -> None:
            begun.append(job)

        def advance(self, job: str, images: int, seconds: float, scoring: float = 0.0) -> None:
            assert job == begun[-1]
            assert 0 <= scoring <= seconds
            assert (scoring > 0) == job.endswith("scores")
            super().advance(job, images, seconds, scoring)
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
