from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import reading
from explanans.classifiers.taps import find_taps
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing


def classifier(module: nn.Module, size: int = 64) -> Explanandum:
    preprocessing = Preprocessing(size, (0.5,) * 3, (0.5,) * 3)
    return Explanandum(module, classes=("a", "b"), activation="sigmoid", preprocessing=preprocessing)


@pytest.mark.parametrize(
    ("name", "names", "strides"),
    [
        ("mobilenetv2_035", ["blocks.1", "blocks.2", "blocks.4", "bn2"], [4, 8, 16, 32]),
        ("resnet18", ["layer1", "layer2", "layer3", "layer4"], [4, 8, 16, 32]),
        # The end of a stage, not the norm that begins the next one on the old grid.
        ("convnext_atto", ["stages.0", "stages.1", "stages.2", "stages"], [4, 8, 16, 32]),
    ],
)
def test_ends_of_stages(name: str, names: list[str], strides: list[int]) -> None:
    taps = find_taps(classifier(timm.create_model(name, num_classes=2)))
    assert [tap.name for tap in taps] == names
    assert [64 // tap.height for tap in taps] == strides


def test_a_size_that_is_no_multiple_has_its_finest_level_too() -> None:
    taps = find_taps(classifier(timm.create_model("mobilenetv2_035", num_classes=2), size=65))
    assert [tap.grid for tap in taps] == [(17, 17), (9, 9), (5, 5), (3, 3)]


def test_blocks_of_a_vision_transformer_at_even_depths() -> None:
    model = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=2)
    taps = find_taps(classifier(model))
    assert [tap.grid for tap in taps] == [(4, 4)] * 4
    assert all(tap.channels == 192 and tap.name.startswith("blocks.") for tap in taps)
    depths = [int(tap.name.split(".")[1]) for tap in taps]
    assert depths == sorted(set(depths))
    assert depths[-1] >= 10


def test_torchvision_names_no_layer_inside_a_block() -> None:
    model = torchvision.models.vision_transformer.VisionTransformer(64, 16, 6, 2, 32, 64, num_classes=2)
    names = [tap.name for tap in find_taps(classifier(model))]
    assert all(name.startswith("encoder.layers.encoder_layer_") and name.count(".") == 2 for name in names), names


def test_reading_leaves_no_hook_and_returns_what_the_layers_said() -> None:
    given = classifier(timm.create_model("resnet18", num_classes=2))
    taps = find_taps(given)
    images = torch.rand(2, 3, 64, 64)
    with reading(given, [tap.name for tap in taps]) as features:
        given(images)
    assert list(features) == [tap.name for tap in taps]
    stem = given.module.maxpool(given.module.act1(given.module.bn1(given.module.conv1(images))))
    assert torch.equal(features["layer1"], given.module.layer1(stem))
    assert all(not part._forward_hooks for part in given.module.modules())


def test_a_classifier_without_places() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 2))
    with pytest.raises(InputError, match="no layer with spatial features"):
        find_taps(classifier(flat))
