"""A classifier of grey pictures, from pixels to a trained Explainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.data import open_dataset
from explanans.explainers.explainer import Explainer
from explanans.explainers.networks import GreyInput, build_network
from explanans.images.preprocessing import Preprocessing
from explanans.methods import make_method
from explanans.ops.masking import make_fill
from explanans.training import Calibration, Run, fit

PREPROCESSING = Preprocessing(32, (0.4,), (0.2,))


@pytest.fixture
def classifier() -> Explanandum:
    torch.manual_seed(0)
    arguments = {"num_classes": 2, "widths": (8, 16), "channels": 1}
    source = Source("explanans:small_resnet", arguments)
    module = SmallResNet(**arguments)
    return Explanandum(module, classes=("a", "b"), activation="sigmoid", preprocessing=PREPROCESSING, source=source)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4)):
        for name in ("a", "b"):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(random.integers(0, 256, (40, 48), np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "data"


def test_colours_become_luma_and_grey_is_shown_as_rgb() -> None:
    red = Image.new("RGB", (10, 10), (255, 0, 0))
    tensor = PREPROCESSING(red)
    assert tensor.shape == (1, 32, 32)
    assert torch.allclose(tensor, torch.tensor((76 / 255 - 0.4) / 0.2))
    assert PREPROCESSING.denormalise(tensor).shape == (3, 32, 32)
    assert torch.allclose(PREPROCESSING.denormalise(tensor), torch.tensor(76 / 255))


@pytest.mark.parametrize("name", ["mean", "black", "blur", "noise", "#ff0000", "mean+noise"])
def test_fills_have_one_channel(name: str) -> None:
    images = torch.randn(2, 1, 32, 32)
    filled = make_fill(name, PREPROCESSING)(images, torch.Generator().manual_seed(0))
    assert filled.shape == images.shape
    if name == "#ff0000":
        assert torch.allclose(filled, torch.tensor((0.299 - 0.4) / 0.2))


@pytest.mark.parametrize("name", ["compact/small_resnet", "compact", "light/mobilenetv2_035", "trunk?width=8"])
def test_every_network_takes_one_channel(classifier: Explanandum, name: str) -> None:
    network = build_network(name, 2, None, classifier).eval()
    assert network(torch.randn(2, 1, 32, 32)).shape[:2] == (2, 2)


def test_a_trunk_of_grey_pictures_does_the_same_on_three_equal_channels(classifier: Explanandum) -> None:
    default = SmallResNet(2, channels=1)
    network = build_network("compact/small_resnet", 2, default.state_dict(), classifier)
    assert isinstance(network, GreyInput)
    images = torch.randn(1, 1, 32, 32)
    trunk = network.network.encoder
    assert torch.allclose(trunk.stem[0](images.expand(-1, 3, -1, -1)), default.stem[0](images), atol=1e-6)


@pytest.mark.parametrize("objective", ["guided", "stalder2022", "dabkowski2017"])
def test_trained_explained_and_compared(
    classifier: Explanandum, pictures: Path, tmp_path: Path, objective: str
) -> None:
    explainer = Explainer(classifier, "compact", encoder_weights=None)
    run = Run(max_epochs=1, batch_size=8, progress=False, accelerator="cpu")
    fit(explainer, pictures, objective=objective, run=run, calibration=Calibration(images=2), out=tmp_path / "run")
    loaded = Explainer.from_pretrained(tmp_path / "run" / "explainer").folded()
    explanation = loaded.explain(pictures / "val" / "a" / "0.png", top_k=2)
    assert len(explanation) == 2
    assert all(found.receipt is not None for found in explanation)
    data = open_dataset(pictures, "val", classes=("a", "b"), preprocessing=PREPROCESSING, cache=True)
    images = data[0]["image"][None]
    for name, settings in (("grad_cam", {}), ("rise", {"masks": 4}), ("guided_backprop", {}), ("spread_cam", {})):
        maps = make_method(name, classifier, **settings)(images, [0], torch.Generator().manual_seed(0))
        assert maps.shape == (1, 2, 32, 32), name
    assert loaded.attribute(images).shape == images.shape
