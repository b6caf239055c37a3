"""Libraries that draw from global generators, made to follow one that is handed in."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy
import torch

SEEDS = 2**31

_one_at_a_time = threading.RLock()


def draw_seed(generator: torch.Generator | None) -> int:
    """A seed for one call; None draws from torch's global generator."""
    device = None if generator is None else generator.device
    return int(torch.randint(SEEDS, (), generator=generator, device=device))


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, the global generators of torch, NumPy and Python start from ``seed``; afterwards they are as before.

    One thread at a time is inside; others wait.
    """
    with _one_at_a_time:
        states = numpy.random.get_state(), random.getstate()
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            numpy.random.seed(seed)
            random.seed(seed)
            try:
                yield
            finally:
                numpy.random.set_state(states[0])
                random.setstate(states[1])
