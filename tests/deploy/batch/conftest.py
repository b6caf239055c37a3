from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing

SIZE = 32


@pytest.fixture
def explainer(saved: Path) -> Explainer:
    return Explainer.from_pretrained(saved)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": 3, "widths": [4, 8]})
    preprocessing = Preprocessing(SIZE, (0.5,) * 3, (0.25,) * 3)
    classifier = Explanandum(
        SmallResNet(3, (4, 8)),
        classes=("cat", "big dog", "cow/ox"),
        activation="sigmoid",
        preprocessing=preprocessing,
        source=source,
    )
    explainer = Explainer(classifier, "compact", encoder_weights=None)
    # Masks with shapes, where an untrained network would give flat ones.
    torch.nn.init.normal_(explainer.network.head.weight, std=1.0)
    explainer.network.head.bias.data.zero_()
    folder = tmp_path_factory.mktemp("explainer")
    explainer.save_pretrained(folder)
    return folder


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
