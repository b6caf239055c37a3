from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explanans.images.preprocessing import Preprocessing

MakeVoc = Callable[..., Path]


@pytest.fixture
def preprocessing() -> Preprocessing:
    return Preprocessing(size=(6, 8), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


@pytest.fixture
def make_voc(tmp_path: Path) -> MakeVoc:
    """Writes a devkit of 6 x 8 pixels: for each image the mask values of its left, middle and right columns."""

    def make(root: str = "VOCdevkit/VOC2012", split: str = "train", **images: tuple[int, int, int]) -> Path:
        folder = tmp_path / root
        for name in ("JPEGImages", "SegmentationClass", "Annotations", "ImageSets/Segmentation", "ImageSets/Main"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for i, (name, (left, middle, right)) in enumerate(images.items()):
            values = np.zeros((6, 8), np.uint8)
            values[:, :2], values[:, 2:6], values[:, 6:] = left, middle, right
            mask = Image.fromarray(values).convert("P")
            mask.putdata(values.ravel().tolist())
            mask.save(folder / f"SegmentationClass/{name}.png")
            Image.new("RGB", (8, 6), (40 * i, 100, 200)).save(folder / f"JPEGImages/{name}.jpg")
        (folder / f"ImageSets/Segmentation/{split}.txt").write_text("".join(f"{name}\n" for name in images))
        return folder

    return make
