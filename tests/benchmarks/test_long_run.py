"""Some hundred explanations in one process leave nothing open, and leaks that are planted are seen; the long form is in
benchmarks/."""

from __future__ import annotations

import importlib.util
import mmap
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "long_run.py"

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="reads memory and descriptors in /proc")


@pytest.fixture(scope="module")
def long_run() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("long_run", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where its dataclasses look for their annotations.
    sys.modules["long_run"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["long_run"]


@pytest.mark.parametrize(("name", "pictures"), [("explainer", 120), ("method", 20), ("shards", 160)])
def test_nothing_stays_open(long_run: ModuleType, name: str, pictures: int) -> None:
    watch = long_run.Watch(pictures, readings=10)
    assert long_run.measure(long_run.KINDS[name][0], watch) == []
    assert len(watch.memory) == 10
    # So few pictures leave the heap room to grow by chance; one picture's pixels kept each time would be more.
    assert watch.growth < 1e9


def leaking(leak: Callable[[], Any]) -> Callable[..., None]:
    def run(explainer: object, photos: list[Path], out: Path, watch: Any) -> None:
        for done in range(1, watch.pictures + 1):
            leak()
            watch(done)

    return run


@pytest.fixture
def kept() -> list[Any]:
    return []


def mapped(size: int) -> mmap.mmap:
    """Memory of its own, of so many bytes: the heap may have room left by the tests before."""
    found = mmap.mmap(-1, size)
    # Ones, because a page of zeros is none.
    found.write(b"1" * size)
    return found


def test_a_leak_of_memory_is_seen(long_run: ModuleType, kept: list[Any]) -> None:
    watch = long_run.Watch(100, readings=20)
    assert long_run.measure(leaking(lambda: kept.append(mapped(10**6))), watch) == []
    assert watch.growth == pytest.approx(10_000e6, rel=0.2)


def test_what_stays_open_is_seen(long_run: ModuleType, kept: list[Any]) -> None:
    stop = threading.Event()

    def leak() -> None:
        kept.append(threading.Thread(target=stop.wait, daemon=True))
        kept[-1].start()
        kept.append(os.open(os.devnull, os.O_RDONLY))
        if len(kept) == 6:
            kept.append(tempfile.mkdtemp(prefix="mine"))

    try:
        descriptors, threads, folder = long_run.measure(leaking(leak), long_run.Watch(20, readings=10))
    finally:
        stop.set()
        for each in kept:
            if isinstance(each, int):
                os.close(each)
    assert (descriptors, threads) == ("20 descriptors more than before", "20 threads more than before")
    assert folder.startswith("tmp/mine")
    assert Path(tempfile.gettempdir()).is_dir()
