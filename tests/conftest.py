from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos and weights that may lie beside the checkout."""
    if not (SHARED / "data" / "VOCdevkit").is_dir():
        pytest.skip(f"needs the real photos and weights in {SHARED}, which is absent")
    return SHARED


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
