"""Classifiers of every family: answers, masks, receipts, and the layer that Grad-CAM finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from explanans.explainer import Explainer
from explanans.explanandum import Explanandum
from explanans.methods import make_method
from explanans.preprocessing import Preprocessing

SIZED = {"img_size": 64}
TIMM = {
    "resnet10t": {},
    "mobilenetv2_035": {},
    "efficientnet_b0": {},
    "convnext_atto": {},
    "vit_tiny_patch16_224": SIZED,
    "swin_tiny_patch4_window7_224": {**SIZED, "window_size": 2},
    "mobilevit_xxs": {},
}
TORCHVISION = ["mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1"]


def check(classifier: Explanandum) -> None:
    height, width = classifier.preprocessing.height, classifier.preprocessing.width
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    maps = make_method("grad_cam", classifier)(images, [1])
    assert maps.shape == (1, classifier.num_classes, height, width)
    explainer = Explainer(classifier, "trunk?width=8&depth=1").eval()
    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    (found,) = explainer.explain(picture, top_k=1)
    assert found.mask.shape == (70, 90)
    assert found.receipt is not None


@pytest.mark.parametrize("name", TIMM)
def test_timm(name: str) -> None:
    torch.manual_seed(0)
    module = timm.create_model(name, num_classes=4, **TIMM[name])
    # Not 224, and not the statistics of ImageNet.
    preprocessing = Preprocessing(64, (0.3, 0.4, 0.5), (0.2, 0.2, 0.3))
    check(Explanandum(module, classes=list("abcd"), activation="softmax", preprocessing=preprocessing))


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_by_name_with_weights_of_ones_own(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(torchvision.models.get_model(name).state_dict(), tmp_path / "weights.safetensors")
    check(Explanandum.load(f"torchvision:{name}", weights=tmp_path / "weights.safetensors"))
