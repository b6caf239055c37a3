from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing


def explainer_of(network: str, channels: int = 3, size: int = 32) -> Explainer:
    torch.manual_seed(0)
    arguments = {"num_classes": 3, "widths": [8, 16], "channels": channels}
    preprocessing = Preprocessing(size, (0.4, 0.5, 0.6)[:channels], (0.2, 0.25, 0.3)[:channels])
    classifier = Explanandum(
        SmallResNet(**arguments),
        classes=("cat", "dog", "cow"),
        activation="softmax",
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


@pytest.fixture(scope="session")
def explainer() -> Explainer:
    return explainer_of("compact")


@pytest.fixture(scope="session")
def saved(explainer: Explainer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explainer")
    explainer.save_pretrained(folder)
    return folder
