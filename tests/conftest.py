from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Before torch is imported. Trainings of tiny networks gain nothing by more threads, and with a number that does not
# depend on the load of the machine two of them have the same bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos and weights that may lie beside the checkout."""
    if not (SHARED / "data" / "VOCdevkit").is_dir():
        pytest.skip(f"needs the real photos and weights in {SHARED}, which is absent")
    return SHARED


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
