from __future__ import annotations

import sys

import pytest

from explanans.utils.memory import keep_freed_memory

from ..programs import Programs  # noqa: TID252 - tests are no package with a name

FAULTS = """
import resource, torch
from explanans.utils.memory import keep_freed_memory
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def steps(count):
    for _ in range(count):
        kept = [torch.ones(size << 18) for size in (33, 40, 36)]
        torch.ones(48 << 18)
        kept.clear()
def measured():
    steps(4)
    before = faults()
    steps(8)
    return faults() - before
print(measured())
assert keep_freed_memory()
print(measured())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is Linux's")
def test_freed_memory_is_not_asked_for_again(programs: Programs) -> None:
    # 8 × 157 MiB are 321,536 pages of 4 KiB; a process of its own, since the setting cannot be taken back.
    ended = programs.run(FAULTS)
    assert ended.returncode == 0, ended.stderr
    counts = [int(line) for line in ended.stdout.splitlines()]
    if counts[0] < 1000:
        pytest.skip("this system's allocator keeps memory by itself, or its pages are huge")
    assert counts[1] < counts[0] / 4


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
