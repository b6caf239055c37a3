"""The most memory that something takes."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Peak:
    """Attributes: megabytes: (10⁶ bytes) known after the block; None where the system does not tell."""

    megabytes: float | None = None


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """How far memory rises inside the block above what was held before it.

    On a CUDA device the high-water mark of torch's allocator; on a CPU that of the process's resident memory, which
    Linux can set back to the present (other systems do not tell). There memory that the process had freed but not
    handed back may be reused unseen, so it is handed back first where the C library can.
    """
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.megabytes = (torch.cuda.max_memory_allocated(device) - before) / 1e6
        return
    start = _reset()
    yield peak
    if start is not None:
        peak.megabytes = max(0.0, _status("VmHWM") - start)


def _reset() -> float | None:
    if not sys.platform.startswith("linux"):
        return None
    gc.collect()
    # Absent in other C libraries than glibc.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    try:
        RESET.write_text("5")
    except OSError:
        return None
    return _status("VmRSS")


def _status(name: str) -> float:
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
