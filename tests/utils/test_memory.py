from __future__ import annotations

import subprocess
import sys

import pytest

from explanans.utils.memory import keep_freed_memory

FAULTS = """
import resource, sys, torch
from explanans.utils.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def steps(count):
    for _ in range(count):
        kept = [torch.ones(size << 18) for size in (33, 40, 36)]
        torch.ones(48 << 18)
        kept.clear()
steps(4)
before = faults()
steps(8)
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is Linux's")
def test_freed_memory_is_not_asked_for_again() -> None:
    # 8 × 157 MiB are 321,536 pages of 4 KiB; a process of its own, since the setting cannot be taken back.
    counts = [
        int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True).stdout)
        for how in ("default", "keep")
    ]
    if counts[0] < 1000:
        pytest.skip("this system's allocator keeps memory by itself, or its pages are huge")
    assert counts[1] < counts[0] / 4


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
