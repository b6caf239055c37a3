"""A training takes the cores that others leave, and writes down how many threads it had."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import torch
from lightning.pytorch import LightningModule, Trainer, callbacks

from explanans.utils.files import atomic_file
from explanans.utils.threads import Load, free_cores, is_fixed

Threads = int | Literal["auto"]
AUTO: Literal["auto"] = "auto"
_EVERY = 5.0

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
# The most threads that the training under way may have; torch's own number before it began.
_most: ContextVar[int] = ContextVar("most")


def on_free_cores(training: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """A training with ``run.threads`` threads; afterwards torch has as many as before."""

    @functools.wraps(training)
    def shared(*given: _Given.args, **options: _Given.kwargs) -> _Result:
        run: Any = options.get("run")
        threads: Threads = AUTO if run is None else run.threads
        with sharing(threads):
            return training(*given, **options)

    return shared


@contextmanager
def sharing(threads: Threads) -> Iterator[None]:
    """``threads`` threads for torch, and as many as before afterwards; "auto": no more than cores are free."""
    before = torch.get_num_threads()
    token = _most.set(before)
    if isinstance(threads, int):
        torch.set_num_threads(threads)
    elif judges(threads) and before > 1:
        torch.set_num_threads(min(before, free_cores()))
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _most.reset(token)


def judges(threads: Threads) -> bool:
    """Whether the load decides: "auto", and the user has not set a variable of OpenMP's."""
    return threads == AUTO and not is_fixed()


class FreeCores(callbacks.Callback):
    """Writes down a training's threads and, where ``judging``, has no more of them than cores are free.

    They are judged anew when an epoch begins; within an epoch there are fewer at once where others come, and not more.
    Every change is kept under ``threads`` in the run's file, as [epoch, batch, threads], both from 0. Where a run
    resumes, what is kept is repeated, so that it computes what it computed before, and judging goes on after it.

    Args:
        file: JSON, written before the training begins.
        judging: for one process on the processor; False leaves the threads as they are.
    """

    def __init__(self, file: Path, *, judging: bool) -> None:
        self.file = file
        self.judging = judging
        self.kept: list[list[int]] = []
        self.load = Load()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.judging &= trainer.world_size == 1 and module.device.type == "cpu"
        if trainer.is_global_zero:
            self.kept = json.loads(self.file.read_text(encoding="utf-8")).get("threads", [])
        earlier = [threads for epoch, _, threads in self.kept if epoch < trainer.current_epoch]
        if self.judging and earlier:
            torch.set_num_threads(earlier[-1])
        self.load = Load()

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, index: int) -> None:
        now, begins = [trainer.current_epoch, index], index == 0
        known = bool(self.kept) and now <= self.kept[-1][:2]
        if self.judging and known:
            for *when, threads in self.kept:
                if when == now:
                    torch.set_num_threads(threads)
        elif self.judging and self.kept and self.load.age >= (1 if begins else _EVERY):
            threads = min(_most.get(), free_cores(self.load))
            torch.set_num_threads(threads if begins else min(threads, torch.get_num_threads()))
        threads = torch.get_num_threads()
        if trainer.is_global_zero and not known and (not self.kept or threads != self.kept[-1][2]):
            self.kept.append([*now, threads])
            content = json.loads(self.file.read_text(encoding="utf-8"))
            with atomic_file(self.file) as temporary:
                temporary.write_text(json.dumps({**content, "threads": self.kept}, indent=2) + "\n", encoding="utf-8")
