"""Memory that was freed is used again instead of being given back to the system."""

from __future__ import annotations

import ctypes
import sys

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to keep what this process frees; whether it listened.

    By default every tensor above 32 MiB is mapped anew and unmapped when it is freed, and the system hands out each of
    its pages zeroed: about half of the time of a training step on a processor (``benchmarks/memory.py``). What is kept
    stays part of the process, whose memory then stays at its peak. Other allocators and systems are left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_TOP_PAD, 64 << 20))
    taken = [mallopt(ctypes.c_int(option), ctypes.c_int(value)) == 1 for option, value in settings]
    return all(taken)
