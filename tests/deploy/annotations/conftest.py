"""Two small photos that were explained, for what is made of explanations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.deploy.batch import explain_many
from explanans.explainers.explainer import Explainer
from explanans.explanations.region import RegionSettings
from explanans.images.preprocessing import Preprocessing

WIDTH, HEIGHT = 46, 34


class Mean(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return 8 * (images > 0).float().mean((2, 3)) - 0.1


class Channels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(20.0))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * images


def photo() -> Image.Image:
    """A red square with a hole, an oblique red line of single pixels, a green bar at the side, and no blue."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[3:16, 4:18, 0] = 255
    pixels[7:12, 8:14, 0] = 0
    for step in range(9):
        pixels[20 + step, 5 + step, 0] = 255
    pixels[25:34, 30:46, 1] = 255
    return Image.fromarray(pixels)


@pytest.fixture(scope="package")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``photos`` and ``out``, their explanations with regions."""
    pytest.importorskip("skimage", reason="regions need scikit-image")
    folder = tmp_path_factory.mktemp("annotate")
    preprocessing = Preprocessing(size=(HEIGHT, WIDTH), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    names = ("crack", "rust & <moss>", "blue")
    classifier = Explanandum(Mean(), classes=names, activation="sigmoid", preprocessing=preprocessing)
    (folder / "photos" / "north").mkdir(parents=True)
    paths = [folder / "photos" / "a.png", folder / "photos" / "north" / "b.png"]
    photo().save(paths[0])
    photo().transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(paths[1])
    settings = RegionSettings(smallest=1, largest_hole=0)
    explain_many(Explainer(classifier, Channels()), paths, folder / "out", regions=settings)
    return folder
