from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.data import open_dataset
from explanans.data.scenes import write_scenes
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(48, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Living(nn.Module):
    """A classifier with everything in it that changes in training mode."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 5, stride=4), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(6, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).mean((2, 3)))


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("data") / "scenes"
    write_scenes(folder, train=24, val=8, test=0, size=48, quiet=True)
    return f"scenes:{folder}"


@pytest.fixture(scope="session")
def classes(scenes: str) -> tuple[str, ...]:
    return tuple(open_dataset(scenes, "val", preprocessing=PREPROCESSING).classes)


@pytest.fixture(scope="session")
def explainer(classes: tuple[str, ...]) -> Callable[[], Explainer]:
    """The same small Explainer over the same small classifier, each time it is called."""

    def build() -> Explainer:
        torch.manual_seed(0)
        classifier = Living(len(classes))
        explanandum = Explanandum(classifier, classes=classes, activation="sigmoid", preprocessing=PREPROCESSING)
        return Explainer(explanandum, "compact")

    return build


@pytest.fixture(scope="module")
def whole(scenes: str, explainer: Callable[[], Explainer], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed."""
    # Not above: a process of its own imports this file by itself.
    from .explainer_runs import train

    out = tmp_path_factory.mktemp("whole") / "run"
    train(explainer(), scenes, out)
    return out


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run"
