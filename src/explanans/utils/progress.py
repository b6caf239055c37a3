"""How far a long piece of work is: a bar in a terminal, a line every few seconds where the output is piped."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from types import TracebackType
from typing import Self, TextIO, TypeVar

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, TextColumn

Item = TypeVar("Item")

FIRST, EVERY = 5.0, 15.0
"""Seconds until the first line and between two of them."""

WIDTH = 20
"""Of the bar, in characters."""

PULSE = 1.0
"""Seconds between two looks at the clock while a single step takes its time."""


_silent: ContextVar[bool] = ContextVar("silent", default=False)


@contextmanager
def silent() -> Iterator[None]:
    """Inside, nothing shows its progress."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


class Progress:
    """What is being done, how much of it is done, and the time that is left, on standard error.

    A terminal gets a bar. Anything else gets a line after 5 seconds and then every 15, also while a single step takes
    longer than that, and one at the end; work of less than 5 seconds says nothing. ::

        with Progress("drawing scenes", 4800, unit="scenes", show=not quiet) as progress:
            for scene in progress.over(scenes):
                draw(scene)

    Args:
        what: the work, as in "training the classifier".
        total: how much there is to do; None where nobody knows.
        unit: what is counted, as in "pictures"; "bytes" are shown as kB, MB, GB. Without one a share is shown.
        done: what an earlier run has done; it does not count for the time that is left.
        show: False draws and writes nothing; so does everything in :func:`silent`.
        stream: where to; standard error by default.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        what: str,
        total: float | None = None,
        *,
        unit: str = "",
        done: float = 0,
        show: bool = True,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self.note = ""
        self._clock, self._started, self._before = clock, clock(), done
        self._left: float | None = None
        self._at_least = False
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._due = self._started + FIRST
        self._stream = sys.stderr if stream is None else stream
        console = Console(file=self._stream)
        show = show and not _silent.get()
        drawn = show and console.is_terminal and not console.is_dumb_terminal
        self._lines = show and not drawn
        self._bar: rich.progress.Progress | None = None
        if drawn:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(WIDTH),
                TextColumn("{task.fields[state]}", markup=False),
            )
            # What is printed to a pipe stays there, though the bar is drawn in a terminal.
            stdout = sys.stdout.isatty()
            self._bar = rich.progress.Progress(*columns, console=console, transient=True, redirect_stdout=stdout)

    def __enter__(self) -> Self:
        self._started = self._clock()
        self._before = self.done
        self._due = self._started + FIRST
        if self._bar is not None:
            self._bar.add_task(self.what, state="")
            self._draw(self._bar)
            self._bar.start()
        elif self._lines:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._bar is not None:
            self._bar.stop()
        elif self._lines and kind is None and self.elapsed >= FIRST:
            self._write(f"{self.what}: {self._count()}, took {duration(self.elapsed)}")

    def advance(self, amount: float = 1, *, note: str | None = None, left: float | None = None) -> None:
        """So much more is done; see :meth:`set`."""
        self.set(done=self.done + amount, note=note, left=left)

    def set(
        self,
        *,
        done: float | None = None,
        total: float | None = None,
        note: str | None = None,
        left: float | None = None,
        at_least: bool = False,
    ) -> None:
        """Change what is known.

        Args:
            done, total: as when it was made.
            note: shown behind the count, as in "epoch 3 of 10"; "" for none.
            left: seconds that are left, where the caller knows better than the mean speed so far.
            at_least: it may be more.
        """
        self.done = self.done if done is None else done
        self.total = self.total if total is None else total
        self.note = self.note if note is None else note
        self._left, self._at_least = left, at_least
        if self._bar is not None:
            self._draw(self._bar)
        # The last line comes when the block ends.
        elif self.total is None or self.done < self.total:
            self.look()

    def found(self, done: float, total: float | None = None) -> None:
        """So much is there already, as after an interruption; the mean speed counts from now on."""
        self._before, self._started = done, self._clock()
        self.set(done=done, total=total)

    def over(self, items: Iterable[Item], amount: float = 1) -> Iterator[Item]:
        """The items, each counted when it is done."""
        for item in items:
            yield item
            self.advance(amount)

    def say(self, text: str) -> None:
        """A line by itself, above the bar."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        elif self._lines:
            self._write(text)

    def look(self) -> None:
        """Write a line if one is due."""
        if not self._lines:
            return
        with self._lock:
            now = self._clock()
            due = now >= self._due
            if due:
                self._due = now + EVERY
        if due:
            self._write(f"{self.what}: {self._state()}")

    @property
    def elapsed(self) -> float:
        """Seconds since the block began."""
        return self._clock() - self._started

    @property
    def left(self) -> float | None:
        """Seconds that are left, by the mean speed since the block began; None while nothing is known."""
        if self._left is not None:
            return self._left
        made = self.done - self._before
        if self.total is None or made <= 0:
            return None
        return max(0.0, self.total - self.done) * self.elapsed / made

    def _draw(self, bar: rich.progress.Progress) -> None:
        bar.update(bar.task_ids[0], completed=self.done, total=self.total, state=self._state())

    def _state(self) -> str:
        left = self.left
        least = "at least " if self._at_least else ""
        time = f"{duration(self.elapsed)} so far" if left is None else f"{least}{duration(left)} left"
        return ", ".join(part for part in (self._count(), self.note, time) if part)

    def _count(self) -> str:
        if self.unit == "bytes":
            done, total = _bytes(self.done), "" if self.total is None else _bytes(self.total)
        elif self.unit:
            done, total = f"{self.done:,.0f}", "" if self.total is None else f"{self.total:,.0f}"
        else:
            return f"{self.done / self.total:.0%}" if self.total else ""
        unit = "" if self.unit == "bytes" else f" {self.unit}"
        return f"{done} of {total}{unit}" if total else f"{done}{unit}"

    def _watch(self) -> None:
        while not self._over.wait(PULSE):
            self.look()

    def _write(self, text: str) -> None:
        # One call, so that lines of several threads do not mix.
        self._stream.write(f"{text}\n")
        self._stream.flush()


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as in 0:01:05."""
    return str(timedelta(seconds=round(seconds)))


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
