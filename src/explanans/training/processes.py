"""Processes that train together, one for each device: the first of them speaks for all."""

from __future__ import annotations

import os
from collections.abc import Callable

from lightning.pytorch import Trainer
from torch import distributed


def is_first() -> bool:
    """Whether this process is the first of its group; one that belongs to none is.

    Before the group is made, a process that was started beside a first one knows that by its environment.
    """
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank() == 0
    return os.environ.get("LOCAL_RANK", "0") == "0"


def once(trainer: Trainer, write: Callable[[], object]) -> None:
    """The first of the trainer's processes writes, the others wait until it has: what they read next is there."""
    if trainer.is_global_zero:
        write()
    trainer.strategy.barrier()
