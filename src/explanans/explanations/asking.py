"""What explaining costs where a method asks the classifier hundreds of times, told before it is paid; how far it is."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn

from explanans.explanations.batch import Masker, Settings
from explanans.explanations.by_method import ByMethod
from explanans.explanations.cut import LEVELS
from explanans.utils.hooks import watching
from explanans.utils.progress import Progress, duration

NOTABLE = 60.0
"""Seconds that are left, from which on the price is told."""

CHEAPER = "Cheaper: a smaller input (?min_size=320 of torchvision's detectors), fewer calls (100), receipts left out."


def questions(masker: Masker, settings: Settings, classes: int = 1) -> int | None:
    """Images that the classifier is shown for one picture of which ``classes`` are explained.

    The whole picture, those of the method, 2 · cuts for each class's map and 2 · fills + 2 for its receipt. None where
    the method does not know beforehand.
    """
    if not isinstance(masker, ByMethod) or (of_method := masker.questions()) is None:
        return None
    receipt = 2 * len(settings.fills) + 2 if settings.receipts else 0
    return 1 + of_method + classes * (2 * (len(masker.areas) + len(LEVELS)) + receipt)


class Asking:
    """Shows how far explaining is: in questions to the classifier where their number is known, else in pictures.

    The first question is timed, so that the time that is left is known from then on; if that is a minute or more, the
    price is told, and what makes it less. What is done before the first question was done by an earlier run, or cannot
    be read. ::

        with Asking(masker, len(pictures), settings) as asking:
            for done, picture in enumerate(pictures, 1):
                ...
                asking.reached(done)

    Args:
        masker: what explains.
        pictures: how many; None where :meth:`reached` tells.
        settings: what is asked of each.
        requested: bool (N, C), the classes asked for; None lets the probabilities decide, and one class is foreseen.
        tiles: pictures are taken apart, so that nobody knows how often is asked.
        show: False shows nothing.
    """

    def __init__(
        self,
        masker: Masker,
        pictures: int | None,
        settings: Settings,
        requested: Tensor | None = None,
        *,
        tiles: bool = False,
        show: bool = True,
    ) -> None:
        self.masker, self.pictures = masker, pictures
        classes = settings.selection.top_k or 1
        if requested is not None and len(requested):
            classes = math.ceil(requested.sum(1).float().mean().item())
        self.each = questions(masker, settings, classes) if show and not tiles else None
        self.earlier = self.done = 0
        self.asked = self.settled = 0
        self.seconds: float | None = None
        self._began = 0.0
        unit = "pictures" if self.each is None else "questions"
        self.progress = Progress("explaining", self.total, unit=unit, show=show)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.progress)
        self._stack.enter_context(watching([("", self.masker.explanandum)], self._hear, self._begin))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def total(self) -> float | None:
        """Pictures; or questions: those about pictures that are done, and as many for each that is left."""
        if self.each is None or self.pictures is None:
            return self.pictures
        now = self.done - self.earlier
        each = self.settled / now if now and self.settled else self.each
        return max(self.asked, self.settled + each * (self.pictures - self.done))

    @property
    def left(self) -> float | None:
        """Seconds, by what a question took so far; None before the first."""
        return None if self.seconds is None or self.total is None else (self.total - self.asked) * self.seconds

    def reached(self, done: int, pictures: int | None = None) -> None:
        """So many pictures are done, of so many."""
        self.done, self.settled = done, self.asked
        self.pictures = self.pictures if pictures is None else pictures
        if self.asked == 0:
            self.earlier = done
        if self.each is not None:
            self.progress.set(total=self.total, left=self.left)
        elif self.earlier == done:
            self.progress.found(done, self.pictures)
        else:
            self.progress.set(done=done, total=self.pictures)

    def price(self, seconds: float) -> str:
        """What is left, in words, where a question takes so many seconds."""
        assert isinstance(self.masker, ByMethod)
        assert self.each is not None
        assert self.total is not None
        words = f"{self.masker.name} asks the classifier {self.each:,} times for a picture, {seconds:.2g} s each time"
        pictures = f" for {self.total / self.each:,.0f} pictures" if self.total > self.each else ""
        return f"{words}: about {duration(self.total * seconds)}{pictures}. {CHEAPER}"

    def _begin(self) -> None:
        if self.asked == 0:
            self._began = time.perf_counter()

    def _hear(self, name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
        first = self.asked == 0
        self.asked += len(output)
        if self.each is None or self.asked == 0:
            return
        # Fetched, so that an accelerator has ended.
        output.cpu()
        self.seconds = (time.perf_counter() - self._began) / self.asked
        if first and self.left is not None and self.left >= NOTABLE:
            self.progress.say(self.price(self.seconds))
        self.progress.set(done=self.asked, total=self.total, left=self.left)
