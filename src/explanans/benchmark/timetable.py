"""How far a benchmark is, in images, and the time that is left: methods differ in speed by a factor of a thousand."""

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
    expected: float | None
    like: str
    done: int = 0
    seconds: float = 0.0
    scoring: float = 0.0


class Timetable:
    """Jobs of known numbers of images and, little by little, known speeds.

    ``plan`` every job, ``begin`` one after the other and ``advance`` them. ``remaining`` is the time that is left, each
    job at the speed measured for it. One that has not begun is expected to take what its maps take, and as long for
    scoring as jobs like it; where nothing is known of its maps, as long in all. While nothing like it was done, the
    time is the least that is left.

    Args:
        progress: is told of every change, in images: their number is known, so that what is done never falls. None
            where nobody looks.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._jobs: dict[str, _Job] = {}
        self._progress = progress
        self.spent = 0.0

    def plan(self, job: str, images: int, seconds_per_image: float | None = None, like: str | None = None) -> None:
        """A job that is to come; again with the speed of its maps once that is known.

        Args:
            like: names the jobs whose maps are scored in the same way; None where there are no others.
        """
        self._jobs[job] = _Job(images, seconds_per_image, like or job)
        self._changed()

    def begin(self, job: str) -> None:
        """What is done now."""
        self._changed(job)

    def advance(self, job: str, images: int, seconds: float, scoring: float = 0.0) -> None:
        """Some images of a job are done, in so many seconds, of which ``scoring`` do not depend on the method."""
        each = self._jobs[job]
        each.left -= images
        each.done += images
        each.seconds += seconds
        each.scoring += scoring
        self.spent += seconds
        self._changed()

    @property
    def done(self) -> int:
        """Images."""
        return sum(job.done for job in self._jobs.values())

    @property
    def remaining(self) -> float:
        """Seconds."""
        return sum(job.left * self._speed(job) for job in self._jobs.values() if job.left)

    @property
    def known(self) -> bool:
        """Whether every job that is left has begun, or one like it has."""
        return all(job.done or self._begun_like(job) for job in self._jobs.values() if job.left)

    def _begun_like(self, job: _Job) -> list[_Job]:
        return [each for each in self._jobs.values() if each.done and each.like == job.like]

    def _speed(self, job: _Job) -> float:
        """Seconds per image."""
        if job.done:
            return job.seconds / job.done
        alike = self._begun_like(job)
        if not alike:
            return GUESS if job.expected is None else job.expected
        images = sum(each.done for each in alike)
        if job.expected is None:
            return sum(each.seconds for each in alike) / images
        return job.expected + sum(each.scoring for each in alike) / images

    def _changed(self, note: str | None = None) -> None:
        if self._progress is not None:
            total = self.done + sum(job.left for job in self._jobs.values())
            self._progress.set(done=self.done, total=total, note=note, left=self.remaining, at_least=not self.known)


@contextmanager
def followed(show: bool) -> Iterator[Timetable]:
    """A timetable that tells the time left over everything, on standard error."""
    with Progress("benchmark", unit="images", show=show) as progress:
        progress.set(note="opening data and classifiers")
        yield Timetable(progress)
