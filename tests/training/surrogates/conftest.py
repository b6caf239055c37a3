from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, open_dataset
from explanans.data.scenes import CLASSES, write_scenes
from explanans.images.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(32, (0.5,) * 3, (0.25,) * 3)


class Box(nn.Module):
    """Answers by the mean colours, without gradients, and counts the pictures."""

    differentiable = False

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weights", 3 * torch.randn(3, len(CLASSES), generator=generator))
        self.asked = 0
        self.fails_after: int | None = None
        self.broken: int | None = None

    def forward(self, images: Tensor) -> Tensor:
        if self.fails_after is not None and self.asked + len(images) > self.fails_after:
            raise ConnectionError("gone")
        self.asked += len(images)
        answers = self._answers(images)
        if self.broken is not None and self.asked > self.broken >= self.asked - len(images):
            answers[self.broken - self.asked, 1] = float("nan")
        return answers

    def _answers(self, images: Tensor) -> Tensor:
        return images.detach().mean((2, 3)) @ self.weights


@pytest.fixture
def box() -> Explanandum:
    made = Explanandum(Box(), classes=tuple(CLASSES), activation="sigmoid", preprocessing=PREPROCESSING)
    made.module.asked = 0
    return made


@pytest.fixture(scope="session")
def asked_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("scenes"), train=16, val=8, test=0, size=48, quiet=True)


@pytest.fixture
def pictures(asked_scenes: Path) -> LabelledImages:
    return open_dataset(
        f"scenes:{asked_scenes}", "train", classes=tuple(CLASSES), preprocessing=PREPROCESSING, segmentation=False
    )
