from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from explanans.utils import threads
from explanans.utils.threads import Load, free_cores, is_fixed

Look = tuple[float, float, float]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Look]:
    """What the next looks see: the time, processor time of all, processor time of this program; on four cores."""
    seen: list[Look] = []
    remaining: Iterator[Look] = iter(seen)
    monkeypatch.setattr(threads, "_look", lambda: next(remaining))
    monkeypatch.setattr(threads, "_cores", lambda: 4)
    monkeypatch.setattr(threads.time, "sleep", lambda seconds: None)
    return seen


def test_others_have_what_was_busy_without_this_program(looks: list[Look]) -> None:
    looks += [(10.0, 100.0, 5.0), (12.0, 107.0, 9.0), (16.0, 107.0, 9.0)]
    load = Load()
    # In two seconds seven of processor time, four of them this program's.
    assert load.look() == pytest.approx(1.5)
    assert load.look() == 0


def test_rounding_of_the_clocks_is_no_negative_load(looks: list[Look]) -> None:
    looks += [(0.0, 0.0, 0.0), (1.0, 1.0, 1.02)]
    assert Load().look() == 0


@pytest.mark.parametrize(("others", "free"), [(0.0, 4), (0.29, 4), (0.5, 3), (1.0, 3), (1.9, 2), (4.0, 1), (6.0, 1)])
def test_free_is_what_others_leave_and_at_least_one(looks: list[Look], others: float, free: int) -> None:
    looks += [(0.0, 0.0, 0.0), (1.0, others, 0.0)] * 2
    assert free_cores() == free
    assert free_cores(Load()) == free


@pytest.mark.parametrize(("name", "value", "fixed"), [("OMP_NUM_THREADS", "3", True), ("OMP_NUM_THREADS", "", False)])
def test_a_variable_fixes_the_threads(monkeypatch: pytest.MonkeyPatch, name: str, value: str, fixed: bool) -> None:
    for each in threads.SETTINGS:
        monkeypatch.delenv(each, raising=False)
    assert not is_fixed()
    monkeypatch.setenv(name, value)
    assert is_fixed() == fixed


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_time_of_a_process_is_the_systems() -> None:
    code = "import os\nwhile sum(os.times()[:2]) < 0.3: pass\nprint('busy', flush=True)\nimport signal; signal.pause()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        spent = threads._time_of(child.pid)
        child.send_signal(signal.SIGKILL)
    assert 0.25 < spent < 5
    assert threads._time_of(child.pid) == 0
    assert threads._busy() > 0
    assert threads._own() == pytest.approx(sum(os.times()[:4]), abs=1)


@pytest.mark.parametrize(("free", "fixed", "inside"), [(1, False, 1), (2, False, 2), (8, False, 3), (1, True, 3)])
def test_a_block_beside_others(monkeypatch: pytest.MonkeyPatch, free: int, fixed: bool, inside: int) -> None:
    monkeypatch.setattr(threads, "free_cores", lambda: free)
    monkeypatch.setattr(threads, "is_fixed", lambda: fixed)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with threads.beside_others():
            assert torch.get_num_threads() == inside
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
