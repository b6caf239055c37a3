from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from explanans.errors import InputError
from explanans.explanandum import Explanandum
from explanans.methods.layers import find_layer, last_spatial_layer
from explanans.preprocessing import Preprocessing


def explanandum(module: nn.Module, size: int | tuple[int, int] = 64, classes: int = 3) -> Explanandum:
    preprocessing = Preprocessing(size=size, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    names = [f"class {index}" for index in range(classes)]
    return Explanandum(module, classes=names, activation="softmax", preprocessing=preprocessing)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", "layer4"),
        ("vgg11", "features.19"),
        ("densenet121", "features"),
        ("mobilenet_v3_small", "features"),
        ("convnext_tiny", "features"),
        ("squeezenet1_1", "classifier.2"),
    ],
)
def test_torchvision(name: str, expected: str) -> None:
    module = torchvision.models.get_model(name, weights=None, num_classes=3)
    assert last_spatial_layer(explanandum(module)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet10t", "layer4"),
        ("convnext_atto", "stages"),
        ("mobilenetv3_small_050", "blocks"),
        ("regnetx_002", "s4"),
    ],
)
def test_timm(name: str, expected: str) -> None:
    module = timm.create_model(name, pretrained=False, num_classes=3)
    assert last_spatial_layer(explanandum(module)) == expected


def test_not_square() -> None:
    module = torchvision.models.get_model("resnet18", weights=None, num_classes=3)
    assert last_spatial_layer(explanandum(module, (90, 65))) == "layer4"


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_transformers_ask_for_a_layer(name: str) -> None:
    module = timm.create_model(name, pretrained=False, num_classes=3, depth=1) if name.startswith("vit") else None
    module = module or timm.create_model(name, pretrained=False, num_classes=3, depths=(1, 1, 1, 1), embed_dim=24)
    with pytest.raises(InputError, match=r"layer='…'"):
        last_spatial_layer(explanandum(module, 224))


class Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 64 * 64, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(images.flatten(1))


def test_no_spatial_layer_at_all() -> None:
    with pytest.raises(InputError, match="no module of the classifier has a spatial output"):
        last_spatial_layer(explanandum(Flat()))


def test_the_probe_leaves_no_hook() -> None:
    classifier = explanandum(torchvision.models.get_model("resnet18", weights=None, num_classes=3))
    last_spatial_layer(classifier)
    assert not any(part._forward_hooks for part in classifier.modules())


def test_an_unknown_layer_names_near_ones() -> None:
    classifier = explanandum(torchvision.models.get_model("resnet18", weights=None, num_classes=3))
    assert find_layer(classifier, "layer4") is classifier.module.layer4
    with pytest.raises(InputError, match=r"layer4\.1"):
        find_layer(classifier, "layer4.7")
    assert torch.is_grad_enabled()
