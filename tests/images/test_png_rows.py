from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explanans.images.png_rows import write_grey


@pytest.mark.parametrize("step", [1, 7, 50])
def test_pillow_reads_the_same_pixels(step: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 33)).astype(np.uint8)
    pixels[10:30] = 255
    write_grey(tmp_path / "mask.png", (33, 50), (pixels[top : top + step] for top in range(0, 50, step)))
    with Image.open(tmp_path / "mask.png") as opened:
        assert (opened.mode, opened.size) == ("L", (33, 50))
        assert (np.asarray(opened) == pixels).all()


def test_smooth_masks_are_small(tmp_path: Path) -> None:
    mask = np.zeros((400, 400), np.uint8)
    mask[100:200, 100:300] = 255
    write_grey(tmp_path / "mask.png", (400, 400), [mask])
    assert (tmp_path / "mask.png").stat().st_size < 4000
