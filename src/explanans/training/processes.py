"""Processes that train together, one for each device: the first of them speaks for all."""

from __future__ import annotations

from collections.abc import Callable

from lightning.pytorch.utilities import rank_zero_only
from torch import distributed


def is_first() -> bool:
    """Whether this process is the first of those that train together; one that trains alone is."""
    return getattr(rank_zero_only, "rank", 0) == 0


def once(write: Callable[[], object]) -> None:
    """The first process writes, the others wait until it has: what they read next is there."""
    if is_first():
        write()
    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
