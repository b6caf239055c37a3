from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.deploy.onnx import Exported, export_onnx
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing


def explainer_of(network: str, channels: int = 3, size: int = 32, *, sees_all: bool = False) -> Explainer:
    """Of a classifier that sees one of its classes in a picture, or all of them in every picture."""
    torch.manual_seed(0)
    arguments = {"num_classes": 3, "widths": [8, 16], "channels": channels}
    preprocessing = Preprocessing(size, (0.4, 0.5, 0.6)[:channels], (0.2, 0.25, 0.3)[:channels])
    module = SmallResNet(**arguments)
    if sees_all:
        module.head.bias.data += 20
    classifier = Explanandum(
        module,
        classes=("cat", "dog", "cow"),
        activation="sigmoid" if sees_all else "softmax",
        preprocessing=preprocessing,
        source=Source("explanans:small_resnet", arguments),
    )
    explainer = Explainer(classifier, network, encoder_weights=None)
    # Shapes instead of the flat masks that training starts from, and statistics that folding has to fold. Logits stay
    # within those of trained networks: at 70 the rounding of two kernels already differs by 1e-4 in the masks.
    for part in explainer.modules():
        if isinstance(part, nn.Conv2d) and part.out_channels == 3:
            nn.init.normal_(part.weight, std=0.1)
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.5, 1.5)
    return explainer.eval()


@pytest.fixture(scope="session", autouse=True)
def _operators_are_listed_once() -> Iterator[None]:
    """PyTorch lists all the operators that it can write anew for every graph, which takes as long as many a graph."""
    with pytest.MonkeyPatch.context() as patch:
        # Another version of PyTorch may keep the list elsewhere; it is then read each time.
        with contextlib.suppress(ImportError):
            from torch.onnx._internal.exporter._registration import ONNXRegistry

            patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(functools.cache(ONNXRegistry.from_torchlib)))
        yield


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Explainer, Exported]]:
    """``exported(network, channels, what, preprocessing)``: an Explainer and its graph, which takes seconds to make and
    is made once."""

    @functools.cache
    def make(network: str, channels: int, what: str, preprocessing: str) -> tuple[Explainer, Exported]:
        explainer, path = explainer_of(network, channels), tmp_path_factory.mktemp("graph") / "model.onnx"
        return explainer, export_onnx(explainer, path, what=what, preprocessing=preprocessing)

    def export(
        network: str = "compact", channels: int = 3, what: str = "both", preprocessing: str = "outside"
    ) -> tuple[Explainer, Exported]:
        return make(network, channels, what, preprocessing)

    return export


@pytest.fixture(name="explainer_of", scope="session")
def made() -> Callable[..., Explainer]:
    return explainer_of


@pytest.fixture(scope="session")
def explainer() -> Explainer:
    return explainer_of("compact")


@pytest.fixture(scope="session")
def saved(explainer: Explainer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explainer")
    explainer.save_pretrained(folder)
    return folder
