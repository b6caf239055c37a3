"""How far a benchmark is, in time rather than in images: methods differ in speed by a factor of a thousand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from explanans.utils.progress import Progress

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

    ``plan`` every job, ``begin`` one after the other and ``advance`` them; ``remaining`` is the time that is left, each
    job at the speed measured for it, or at the one expected where nothing is measured yet.

    Args:
        progress: is told of every change; None where nobody looks.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._jobs: dict[str, _Job] = {}
        self._progress = progress
        self.spent = 0.0

    def plan(self, job: str, images: int, seconds_per_image: float | None = None) -> None:
        """A job that is to come; again with another speed once that is known."""
        self._jobs[job] = _Job(images, GUESS if seconds_per_image is None else seconds_per_image)
        self._changed()

    def begin(self, job: str) -> None:
        """What is done now."""
        self._changed(job)

    def advance(self, job: str, images: int, seconds: float) -> None:
        """Some images of a job are done, in so many seconds."""
        each = self._jobs[job]
        each.left -= images
        each.done += images
        each.seconds += seconds
        self.spent += seconds
        self._changed()

    @property
    def remaining(self) -> float:
        """Seconds."""
        return sum(job.remaining for job in self._jobs.values())

    def _changed(self, note: str | None = None) -> None:
        if self._progress is not None:
            left = self.remaining
            self._progress.set(done=self.spent, total=self.spent + left, note=note, left=left)


@contextmanager
def followed(show: bool) -> Iterator[Timetable]:
    """A timetable that tells the time left over everything, on standard error."""
    with Progress("benchmark", show=show) as progress:
        progress.set(note="opening data and classifiers")
        yield Timetable(progress)
