from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from io import StringIO

import pytest

from explanans.utils.progress import Progress, silent

CODE = (
    "import sys; from explanans.utils.progress import Progress\n"
    "with Progress('counting', 3, unit='apples', show=sys.argv[1] == 'True') as progress:\n"
    "    for number in progress.over(range(3)):\n"
    "        progress.say('hello'); print('out', number)"
)


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream() -> StringIO:
    return StringIO()


def test_short_work_says_nothing(clock: Clock, stream: StringIO) -> None:
    with Progress("counting", 4, stream=stream, clock=clock) as progress:
        for number in progress.over(range(4)):
            clock.now += 1.2
            assert progress.done == number
    assert stream.getvalue() == ""


def test_piped_work_says_after_5_and_every_15_seconds_what_is_left(clock: Clock, stream: StringIO) -> None:
    with Progress("counting", 1200, unit="apples", stream=stream, clock=clock) as progress:
        for _ in range(12):
            clock.now += 3
            progress.advance(100)
    # 100 apples take 3 s: lines at 6 s and 21 s of 36 s, and the last one.
    assert stream.getvalue().splitlines() == [
        "counting: 200 of 1,200 apples, 0:00:30 left",
        "counting: 700 of 1,200 apples, 0:00:15 left",
        "counting: 1,200 of 1,200 apples, took 0:00:36",
    ]


def test_a_single_long_step_says_that_it_goes_on(clock: Clock, stream: StringIO) -> None:
    with Progress("counting", 10, unit="apples", stream=stream, clock=clock) as progress:
        progress.advance(note="the big one")
        for _ in range(25):
            clock.now += 1
            progress.look()
    assert [line.split(", ")[1] for line in stream.getvalue().splitlines()[:-1]] == ["the big one"] * 2


def test_a_thread_looks_at_the_clock(clock: Clock, stream: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explanans.utils.progress.PULSE", 0.001)
    written = threading.Event()
    monkeypatch.setattr(stream, "flush", written.set)
    with Progress("waiting", stream=stream, clock=clock):
        clock.now += 6
        written.wait()
    assert stream.getvalue().startswith("waiting: 0:00:06 so far\n")


def test_what_an_earlier_run_did_does_not_count_for_the_speed(clock: Clock) -> None:
    with Progress("counting", 1000, done=900, stream=StringIO(), clock=clock) as progress:
        assert progress.left is None
        clock.now += 10
        progress.advance(50)
        assert progress.left == pytest.approx(10)
        progress.advance(10, left=99)
        assert progress.left == 99
        progress.found(500, 600)
        assert (progress.done, progress.left, progress.elapsed) == (500, None, 0)
        clock.now += 10
        progress.advance(20)
        assert progress.left == pytest.approx(40)


@pytest.mark.parametrize(
    ("done", "total", "unit", "shown"),
    [
        (3, 12, "", "25%"),
        (3, None, "", ""),
        (1500, None, "pictures", "1,500 pictures"),
        (2_500_000, 4_600_000_000, "bytes", "2 MB of 4.6 GB"),
        (999, 1000, "bytes", "999 B of 1 kB"),
    ],
)
def test_counts(done: float, total: float | None, unit: str, shown: str, clock: Clock, stream: StringIO) -> None:
    with Progress("work", unit=unit, stream=stream, clock=clock) as progress:
        clock.now += 6
        progress.set(done=done, total=total, note="", left=60)
    parts = ", ".join(part for part in (shown, "0:01:00 left") if part)
    assert stream.getvalue().splitlines()[0] == f"work: {parts}"


def test_nothing_is_written_where_nobody_looks_and_no_last_line_after_an_error(clock: Clock, stream: StringIO) -> None:
    with Progress("work", 2, show=False, stream=stream, clock=clock) as progress:
        clock.now += 100
        progress.advance()
        progress.say("hello")
    with silent(), Progress("work", 2, stream=stream, clock=clock) as progress:
        clock.now += 100
        progress.advance()
    assert stream.getvalue() == ""
    with pytest.raises(ZeroDivisionError), Progress("work", 2, stream=stream, clock=clock) as progress:  # noqa: PT012
        clock.now += 100
        progress.advance()
        _ = 1 / 0
    assert stream.getvalue() == "work: 50%, 0:01:40 left\n"


@pytest.mark.parametrize("show", [True, False])
def test_a_terminal_shows_a_bar_if_asked_and_a_pipe_keeps_what_is_printed(show: bool) -> None:
    reading, writing = pty.openpty()
    drawn = bytearray()

    def read() -> None:
        while True:
            try:
                drawn.extend(os.read(reading, 1000))
            # What Linux says at the end of a terminal.
            except OSError:
                return

    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(show)], stdout=subprocess.PIPE, stderr=writing, env=environment
    )
    os.close(writing)
    thread = threading.Thread(target=read)
    thread.start()
    printed = process.communicate()[0]
    thread.join()
    os.close(reading)
    assert printed == b"out 0\nout 1\nout 2\n"
    assert (b"counting" in drawn) == (b"of 3 apples" in drawn) == (b"hello" in drawn) == show
