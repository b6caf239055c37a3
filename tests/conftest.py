from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
