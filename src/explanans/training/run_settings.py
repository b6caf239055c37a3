"""Length, machine and book-keeping of a training, as a user sets them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from explanans.errors import InputError
from explanans.training.precision import PRECISIONS
from explanans.training.sharing import AUTO
from explanans.utils.numbers import check_count, check_number
from explanans.utils.threads import check_threads


@dataclass(frozen=True)
class Run:
    """Length, machine and book-keeping of a training, in the words of Lightning's Trainer where it has one.

    Args:
        max_epochs: at most this many; None: as many as make about 750 steps, see :func:`epochs_for`.
        batch_size: images per step and device.
        patience: stop after this many epochs without a better validation loss; 0 never stops early.
        keep: "best": the epoch with the best validation figure; "last": the last one, for a schedule that ends low.
        min_delta: by how much the validation loss must fall to count as better.
        seed: decides order, augmentation and every draw of the objective, and initial weights of what the training
            itself or the command makes; below 2³².
        precision: Lightning's "32-true", "bf16-mixed" or "16-mixed"; or "auto": bf16-mixed where the hardware computes
            in bfloat16 (twice as fast), else 32-true.
        accumulate_grad_batches: batches per optimiser step.
        gradient_clip_val: largest norm of the gradient; 0 for no clipping.
        channels_last: memory layout of the images; faster for convolutions on most hardware.
        num_workers: processes that load images; 0 loads them in the training process, where augmentation draws other
            numbers than in workers, however many these are.
        threads: that compute on the processor. "auto": as many as cores are free, which is judged when the training and
            every epoch begin, and fewer within an epoch where other programs come; with OMP_NUM_THREADS so many. The
            last bits of every number depend on it.
        cache: keep decoded and resized images in memory.
        accelerator, devices, num_nodes, strategy: passed to Lightning; its processes are launched, never spawned.
        resume: go on from the last checkpoint in the run folder if there is one.
        progress: say how far it is: a bar in a terminal, elsewhere a line every few seconds, on standard error.
    """

    max_epochs: int | None = 100
    batch_size: int = 16
    patience: int = 5
    keep: Literal["best", "last"] = "best"
    min_delta: float = 1e-3
    seed: int = 42
    precision: str = "32-true"
    accumulate_grad_batches: int = 1
    gradient_clip_val: float = 0.0
    channels_last: bool = False
    num_workers: int = 0
    threads: int | Literal["auto"] = "auto"
    cache: bool = True
    accelerator: str = "auto"
    devices: int | str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    resume: bool = True
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("max_epochs", "batch_size", "accumulate_grad_batches", "num_nodes"):
            if (given := getattr(self, name)) is not None or name != "max_epochs":
                check_count(f"run.{name}", given)
        for name in ("patience", "num_workers"):
            check_count(f"run.{name}", getattr(self, name), 0)
        check_count("run.seed", self.seed, 0, 2**32)
        check_number("run.min_delta", self.min_delta)
        check_number("run.gradient_clip_val", self.gradient_clip_val)
        if self.keep not in ("best", "last"):
            raise InputError(f"run.keep={self.keep!r}; take 'best' or 'last'.")
        if self.precision not in PRECISIONS:
            raise InputError(f"run.precision={self.precision!r}; take one of {', '.join(PRECISIONS)}.")
        if "spawn" in str(self.strategy):
            raise InputError(
                f"run.strategy={self.strategy!r}; take ddp, which launches its processes: what is spawned gets the "
                "training pickled, and it cannot be."
            )
        if self.threads != AUTO:
            check_threads("run.threads", self.threads)


STEPS, FEWEST, MOST = 750, 3, 60


def epochs_for(steps: int) -> int:
    """Epochs of ``steps`` steps each that make about 750 in all, as the photo recipe has: at least 3, at most 60."""
    return min(MOST, max(FEWEST, math.ceil(STEPS / max(1, steps))))
