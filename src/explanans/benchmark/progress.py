"""How far a benchmark is, in time rather than in images: methods differ in speed by a factor of a thousand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from explanans.utils.progress import progress_bar

GUESS = 0.1
"""Seconds per image before anything is known."""


@dataclass
class _Job:
    left: int
    guess: float
    done: int = 0
    seconds: float = 0.0

    @property
    def remaining(self) -> float:
        return self.left * (self.seconds / self.done if self.done else self.guess)


class Timetable:
    """Jobs of known numbers of images and, little by little, known speeds.

    ``plan`` every job, then ``advance`` them; ``remaining`` is the time that is left, each job at the speed measured
    for it, or at the one expected where nothing is measured yet.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, _Job] = {}
        self.spent = 0.0

    def plan(self, job: str, images: int, seconds_per_image: float | None = None) -> None:
        """A job that is to come; again with another speed once that is known."""
        self._jobs[job] = _Job(images, GUESS if seconds_per_image is None else seconds_per_image)
        self.changed("")

    def advance(self, job: str, images: int, seconds: float) -> None:
        """Some images of a job are done, in so many seconds."""
        each = self._jobs[job]
        each.left -= images
        each.done += images
        each.seconds += seconds
        self.spent += seconds
        self.changed(job)

    @property
    def remaining(self) -> float:
        """Seconds."""
        return sum(job.remaining for job in self._jobs.values())

    def changed(self, job: str) -> None:
        """Called whenever something has changed; here nobody looks."""


class _Bar(Timetable):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        super().__init__()
        self.progress, self.task = progress, task

    def changed(self, job: str) -> None:
        left = self.remaining
        text = f"{timedelta(seconds=round(left))} left"
        self.progress.update(self.task, completed=self.spent, total=self.spent + left, left=text)
        if job:
            self.progress.update(self.task, job=job)


@contextmanager
def followed(quiet: bool) -> Iterator[Timetable]:
    """A bar with the time left over everything on standard error, if that is a terminal."""
    columns = (TextColumn("{task.fields[job]}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
    with progress_bar(*columns, show=not quiet) as progress:
        if progress.disable:
            yield Timetable()
        else:
            yield _Bar(progress, progress.add_task("benchmark", total=1.0, job="opening", left=""))
