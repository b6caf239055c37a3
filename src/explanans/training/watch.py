"""What a person sees of a training: where it runs, how long it will take, every epoch, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer, callbacks
from torch import nn

from explanans.training.processes import is_first
from explanans.training.run_settings import Run
from explanans.utils.progress import Progress
from explanans.utils.text import shown

MEASURED = 5
"""So many steps are measured before their time is told; the first one, which warms up, is none of them."""

LONG = 10.0
"""Seconds; how long less takes is not told."""


class Watch(callbacks.Callback):
    """Progress over all steps, and a line when the training begins, after every epoch and at the end.

    The time that is left counts training and validation by themselves: the steps that are to come at their mean time
    so far, and the batches of validation likewise (at a third of a step until there was one).

    Args:
        what: the work, as in "training the classifier".
        figures: names of the figures that an epoch's line shows, where they are logged.
        show: False says nothing; processes but the first never do.
        clock: seconds that only grow.
    """

    def __init__(
        self, what: str, figures: Sequence[str], *, show: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.what, self.figures, self.show, self.clock = what, figures, show, clock
        self.progress: Progress | None = None

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        # Neither in __init__, because a strategy may send callbacks to other processes, nor there which process it is.
        self.show = self.show and trainer.is_global_zero
        self.progress = Progress(self.what, unit="steps", show=self.show, clock=self.clock).__enter__()
        self.steps, self.step_seconds, self.batches, self.batch_seconds = -1, 0.0, 0, 0.0
        self.told = False

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.per_epoch = int(trainer.num_training_batches)
        self.validation = int(sum(trainer.num_val_batches))
        self.epochs = int(trainer.max_epochs or 1)
        self.began = trainer.current_epoch
        self.bar.found(self.began * self.per_epoch, self.epochs * self.per_epoch)
        self.mark = self.epoch_began = self.clock()
        self.say(machine(trainer, self.per_epoch))
        if self.began:
            self.say(f"{self.began} of {self.epochs} epochs are done already")

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.epoch_began = self.clock()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        seconds = self._lap()
        self.steps += 1
        # The first step warms up, and would make the others look slow.
        if self.steps:
            self.step_seconds += seconds
        loss = float(outputs["loss"]) if isinstance(outputs, dict) else float(outputs)
        # Of several batches that accumulate, Lightning has divided each one's loss.
        loss *= trainer.accumulate_grad_batches
        self.bar.advance(
            note=f"epoch {trainer.current_epoch + 1}/{self.epochs}, loss {loss:.3f}", left=self._left(trainer)
        )
        if self.steps == MEASURED or (trainer.is_last_batch and self.steps):
            self._estimate(trainer)

    def on_validation_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int, loader: int = 0
    ) -> None:
        self.batches += 1
        self.batch_seconds += self._lap()
        note = f"epoch {trainer.current_epoch + 1}/{self.epochs}, validation {index + 1}/{self.validation}"
        self.bar.advance(0, note=note, left=self._left(trainer, index + 1))

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        logged = trainer.callback_metrics
        figures = "".join(f"  {name} {float(logged[name]):.4f}" for name in self.figures if name in logged)
        took = timedelta(seconds=round(self.clock() - self.epoch_began))
        self.say(f"epoch {trainer.current_epoch + 1}/{self.epochs}{figures}  ({took})")

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.bar.__exit__(None, None, None)

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: BaseException) -> None:
        if self.progress is not None:
            self.progress.__exit__(type(exception), exception, exception.__traceback__)

    @property
    def bar(self) -> Progress:
        assert self.progress is not None
        return self.progress

    def say(self, line: str) -> None:
        """A line on standard output, where anything is shown."""
        if self.show:
            print(line, flush=True)

    def _lap(self) -> float:
        now = self.clock()
        seconds, self.mark = now - self.mark, now
        return seconds

    def _left(self, trainer: Trainer, validated: int = 0) -> float | None:
        """Seconds; ``validated`` batches of the epoch's validation are done."""
        if self.steps < 1:
            return None
        step = self.step_seconds / self.steps
        batch = self.batch_seconds / self.batches if self.batches else step / 3
        validations = self.validation * (self.epochs - trainer.current_epoch) - validated
        return step * ((self.bar.total or 0) - self.bar.done) + batch * validations

    def _estimate(self, trainer: Trainer) -> None:
        left = self._left(trainer)
        if self.told or left is None:
            return
        self.told = True
        if left >= LONG:
            epochs = self.epochs - self.began
            self.say(f"about {timedelta(seconds=round(left))} for {epochs} epochs, by the first {self.steps} steps")


def announce(run: Run, *lines: str) -> None:
    """Lines on standard output, from the first of several processes, where the run shows anything."""
    if run.progress and is_first():
        # Names of classes and folders come from outside.
        print(*map(shown, lines), sep="\n", flush=True)


def size_of(network: nn.Module) -> str:
    """ "1.90 M parameters, 0.31 M of them trained"; the second half only where some are frozen."""
    counts = [(each.numel(), each.requires_grad) for each in network.parameters()]
    every, moving = sum(count for count, _ in counts), sum(count for count, moves in counts if moves)
    size = f"{every / 1e6:.2f} M parameters"
    return size if moving == every else f"{size}, {moving / 1e6:.2f} M of them trained"


def machine(trainer: Trainer, steps: int) -> str:
    """A line that says where it runs, in which precision, and how much an epoch is."""
    device = str(trainer.strategy.root_device)
    if trainer.world_size > 1:
        device = f"{trainer.world_size} × {device}"
    if trainer.strategy.root_device.type == "cpu":
        threads = torch.get_num_threads()
        device = f"{device}, {threads} thread{'s' if threads > 1 else ''}"
    return f"on {device}, {trainer.precision}; {steps:,} steps in an epoch, at most {trainer.max_epochs} epochs"
