from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .programs import Programs

# Before torch is imported. Trainings of tiny networks gain nothing by more threads, and with a number that does not
# depend on the load of the machine two of them have the same bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Where a test sets more, they do not spin while they wait for each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="module", autouse=True)
def _what_was_imported_stays() -> Iterator[None]:
    """No collection of garbage looks through all of torch again: before each file, what those before it have imported
    is left out. What a file has left open is found where it ends."""
    gc.collect()
    gc.freeze()
    yield
    gc.collect()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos and weights that may lie beside the checkout."""
    if not (SHARED / "data" / "VOCdevkit").is_dir():
        pytest.skip(f"needs the real photos and weights in {SHARED}, which is absent")
    return SHARED


@pytest.fixture(scope="session")
def programs() -> Iterator[Programs]:
    """Runs a program in a process that has imported everything."""
    started = Programs()
    yield started
    started.close()


@pytest.fixture(scope="session")
def of_the_dead() -> Callable[[Path], Path]:
    """``of_the_dead(temporary)``: a temporary file or folder of this process becomes that of one that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    def rename(temporary: Path) -> Path:
        return temporary.rename(temporary.with_name(re.sub(r"-\d+-\d+\.", f"-{ended.pid}-1.", temporary.name)))

    return rename


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven pictures of several sizes, one of them broken."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(11):
        path = folder / ("a" if number < 6 else "b") / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (4, 5, 3), np.uint8))
        coarse.resize((40 + number, 36), Image.Resampling.BICUBIC).save(path)
    (folder / "b" / "07.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def double() -> Iterator[None]:
    """Tensors are made in double precision, so that what is worked out by hand is met to many digits."""
    # Not above, where the number of its threads is not yet set.
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def none_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests have few classes, and want what is done with many."""
    monkeypatch.setattr("explanans.ops.class_maps.FEW", 0)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """``small_disk(size="2m", nr_inodes=5)``: an empty file system of its own with so little room."""
    mounted: list[Path] = []

    def mount(**options: object) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        words = ",".join(f"{name}={value}" for name, value in options.items())
        try:
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", words, "tmpfs", folder], capture_output=True, text=True
            )
        except FileNotFoundError:
            pytest.skip("needs mount, which this system lacks")
        if done.returncode:
            pytest.skip(f"needs a file system of its own, which may not be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)
