"""A classifier that sees colours and nothing else, and photos of coloured squares: what it uses is known exactly."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from explanans.audit import Photos, open_photos
from explanans.audit.looked import LOOKS
from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.batch import Masker
from explanans.explanations.by_method import ByMethod
from explanans.images.preprocessing import Preprocessing

SIZE = 32
CLASSES = ("red", "green", "blue")


class Colours(nn.Module):
    """A class is there where a patch of 4 × 4 pixels has its colour: 8 · max over patches of (own − mean of the other
    two) − 6, of channels in [−1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1, bias=False)
        self.mix.weight.data = (1.5 * torch.eye(3) - 0.5)[:, :, None, None]
        self.pool = nn.AvgPool2d(4)

    def forward(self, images: Tensor) -> Tensor:
        return 8 * self.pool(self.mix(images)).amax((2, 3)) - 6


class ColourMaps:
    """Where the colour of a class is, exactly."""

    def __init__(self, module: Colours) -> None:
        self.module = module

    def __call__(self, images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return functional.relu(self.module.mix(images)) * targets[:, :, None, None]


@dataclass
class Square:
    """A square of one colour: class, left, top, side."""

    name: str
    left: int
    top: int
    side: int = 8


Draw = Callable[[NDArray[np.uint8], int], None]
"""Changes the pixels (H, W, 3) of photo number n."""

RGB = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="session")
def square() -> type[Square]:
    """``square(class, left, top, side=8)``"""
    return Square


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., pa.Table]:
    """``make_rows(features, **columns)``: rows of dogs with these features, (N, K)."""

    def rows(features: NDArray[np.float32], **columns: list[object]) -> pa.Table:
        count = len(features)
        made: dict[str, list[object]] = {name: [None] * count for name in LOOKS.names}
        made |= {"index": list(range(count)), "class": ["dog"] * count, "word": ["holds"] * count}
        made["features"] = [None if np.isnan(row).any() else row.astype(np.float16).tobytes() for row in features]
        made["colours"] = [np.eye(64, dtype=np.float16)[0].tobytes()] * count
        return pa.table(made | columns, LOOKS)

    return rows


@pytest.fixture(scope="session")
def explanandum() -> Explanandum:
    preprocessing = Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3)
    return Explanandum(Colours(), classes=CLASSES, activation="sigmoid", preprocessing=preprocessing)


@pytest.fixture(scope="session")
def masker(explanandum: Explanandum) -> Masker:
    return ByMethod(explanandum, ColourMaps(explanandum.module))  # type: ignore[arg-type]


@pytest.fixture
def make_photos(tmp_path: Path, explanandum: Explanandum) -> Callable[..., Photos]:
    """``make_photos(squares, draw, name="photos", labels=…, **options)``: photos of grey with these squares, and the
    options of :func:`open_photos`.

    Each is labelled with the squares' classes; the segmentations have the squares and nothing that ``draw`` adds.
    """

    def make(
        squares: Sequence[Sequence[Square]],
        draw: Draw | None = None,
        *,
        name: str = "photos",
        segmentation: bool = True,
        **options: object,
    ) -> Photos:
        folder = tmp_path / name
        folder.mkdir()
        lines = ["image,labels,segmentation" if segmentation else "image,labels"]
        noise = np.random.default_rng(0)
        for number, of in enumerate(squares):
            pixels = np.repeat(noise.integers(118, 138, (SIZE, SIZE, 1), np.uint8), 3, 2)
            index_map = np.zeros((SIZE, SIZE), np.uint8)
            for square in of:
                place = np.s_[square.top : square.top + square.side, square.left : square.left + square.side]
                pixels[place], index_map[place] = RGB[square.name], CLASSES.index(square.name) + 1
            if draw is not None:
                draw(pixels, number)
            Image.fromarray(pixels).save(folder / f"{number:03d}.png")
            Image.fromarray(index_map).save(folder / f"{number:03d}-map.png")
            labels = ";".join(sorted({square.name for square in of}))
            lines.append(f"{number:03d}.png,{labels}" + (f",{number:03d}-map.png" if segmentation else ""))
        table = folder / "photos.csv"
        table.write_text("\n".join(lines) + "\n")
        spec = f"table:{table}" + (f"?mask_classes={';'.join(CLASSES)}" if segmentation else "")
        with warnings.catch_warnings():
            # Some class is in none of the photos.
            warnings.simplefilter("ignore")
            return open_photos(explanandum, spec, "all", **options)  # type: ignore[arg-type]

    return make
