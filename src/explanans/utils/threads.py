"""How many threads compute where other programs use the processor too.

The threads of a convolution wait for each other, many times in every step, and they wait busily. As long as each has a
core that costs little. Where another program holds one of the cores, the thread that shares it stands still for
milliseconds at a time and all others burn theirs until it goes on: two threads on one free core of two are ten to forty
times as slow as one (``benchmarks/shared_machine.py``). So there are no more threads than free cores.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from explanans.utils.numbers import check_count

SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables by which a user fixes the number of threads; they win."""

MOST = 1024
"""Threads that may be asked for."""

_LOOK = 0.3
# A core of which others take less than this counts as free.
_SHARE = 0.3


class Load:
    """What other programs take of the cores that this process may use, from one look to the next."""

    def __init__(self) -> None:
        self._seen = _look()

    @property
    def age(self) -> float:
        """Seconds since the last look."""
        return time.monotonic() - self._seen[0]

    def look(self) -> float:
        """Cores that others kept busy since the last look; 0 where the system does not tell (it is not Linux)."""
        (before, busy_before, own_before), now = self._seen, _look()
        self._seen = now
        seconds = now[0] - before
        return max(0.0, (now[1] - busy_before) - (now[2] - own_before)) / seconds if seconds > 0 else 0.0


def is_fixed() -> bool:
    """Whether the user has set the number of threads for OpenMP or MKL."""
    return any(os.environ.get(name) for name in SETTINGS)


def free_cores(load: Load | None = None) -> int:
    """Cores that others leave, at least 1.

    Args:
        load: judged since its last look; None looks on for a third of a second.
    """
    if load is None:
        load = Load()
        time.sleep(_LOOK)
    return max(1, int(_cores() - load.look() + _SHARE))


@contextmanager
def beside_others() -> Iterator[None]:
    """In the block torch computes with no more threads than cores are free when it begins; a user's number stays."""
    import torch

    before = torch.get_num_threads()
    if before > 1 and not is_fixed():
        torch.set_num_threads(min(before, free_cores()))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_threads(name: str, value: int) -> int:
    """``value``, if it is a number of threads.

    Raises:
        InputError: it is none, or one so large that the process would end in a segmentation fault.
    """
    return check_count(name, value, below=MOST + 1)


@contextmanager
def exactly(threads: int) -> Iterator[None]:
    """In the block torch computes with so many threads, on which the last bits of a result depend."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    return len(_allowed()) or os.cpu_count() or 1


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _look() -> tuple[float, float, float]:
    """The time, and seconds of processor time: of all programs on the allowed cores, of this one and its children."""
    return time.monotonic(), _busy(), _own()


def _busy() -> float:
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return 0.0
    names = {f"cpu{core}" for core in _allowed()}
    rows = [line.split() for line in lines if line.split(" ", 1)[0] in names]
    # user, nice, system, idle, iowait, irq, softirq, steal; a guest's time is part of user's.
    return sum(sum(map(int, row[1:4] + row[6:9])) for row in rows) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Of this process, its children that have ended, and its workers that still run."""
    return sum(os.times()[:4]) + sum(_time_of(child.pid) for child in multiprocessing.active_children())


def _time_of(process: int | None) -> float:
    try:
        # The name, in brackets, may hold spaces; user and system time are the 12th and 13th after it.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
