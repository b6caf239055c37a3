from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import find_layer, last_spatial_layer, layer_of_stride
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.methods.grad_cam import GradCAM


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
    # Weights of one value are enough for shapes, and drawing the 129 million of VGG takes seconds.
    with torch.device("meta"):
        module = torchvision.models.get_model(name, weights=None, num_classes=3)
    module.to_empty(device="cpu")
    for value in module.state_dict().values():
        value.fill_(1e-3)
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


TRANSFORMERS = {
    "vit": ("vit_tiny_patch16_224", 64, {"depth": 2, "embed_dim": 24, "img_size": 64}, "blocks.1.norm1"),
    "vit, patches averaged, not square": (
        "vit_tiny_patch16_224",
        (64, 96),
        {"depth": 2, "embed_dim": 24, "img_size": (64, 96), "class_token": False, "global_pool": "avg"},
        "norm",
    ),
    "deit, distilled": (
        "deit_tiny_distilled_patch16_224",
        64,
        {"depth": 2, "embed_dim": 24, "img_size": 64},
        "blocks.1.norm1",
    ),
    "registers": (
        "vit_base_patch14_reg4_dinov2",
        56,
        {"depth": 2, "embed_dim": 24, "num_heads": 2, "img_size": 56},
        "blocks.1.norm1",
    ),
    "swin": (
        "swin_tiny_patch4_window7_224",
        56,
        {"depths": (1, 1), "embed_dim": 12, "num_heads": (1, 2), "img_size": 56},
        "norm",
    ),
    "pyramid": ("pvt_v2_b0", 64, {}, "stages"),
}


def transformer(kind: str) -> Explanandum:
    torch.manual_seed(0)
    if kind == "torchvision vit":
        module = torchvision.models.VisionTransformer(64, 16, 2, 2, 32, 64, num_classes=3)
        return explanandum(_with_a_head(module), 64)
    if kind == "torchvision swin":
        return explanandum(torchvision.models.SwinTransformer([4, 4], 24, [1, 1], [1, 2], [7, 7], num_classes=3), 64)
    name, size, settings, _ = TRANSFORMERS[kind]
    module = timm.create_model(name, pretrained=False, num_classes=3, **settings)
    return explanandum(_with_a_head(module), size)


def _with_a_head(module: nn.Module) -> nn.Module:
    # Some transformers start with heads and position embeddings of zeros.
    for parameter in module.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return module


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(kind, entry[3]) for kind, entry in TRANSFORMERS.items()]
    + [("torchvision vit", "encoder.layers.encoder_layer_1.ln_1"), ("torchvision swin", "permute")],
)
def test_transformers(kind: str, expected: str) -> None:
    classifier = transformer(kind)
    method = GradCAM(classifier)
    assert method.layer_name == last_spatial_layer(classifier) == expected
    height, width = classifier.preprocessing.height, classifier.preprocessing.width
    images = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    maps = method(images, torch.ones(2, 3, dtype=torch.bool))
    # Every image has a map, and no two are the same.
    assert maps.amax((2, 3)).gt(0).any(1).all()
    assert not torch.allclose(maps[0], maps[1])
    assert not any(part._forward_hooks for part in classifier.modules())


def test_a_head_of_zeros_still_names_a_layer_of_tokens() -> None:
    module = timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, num_classes=3, depth=1, embed_dim=12, img_size=32
    )
    nn.init.zeros_(module.head.weight)
    assert last_spatial_layer(explanandum(module, 32)) == "norm"


def test_features_of_stride_16_for_a_transformer() -> None:
    assert layer_of_stride(transformer("vit")) == "norm"
    assert layer_of_stride(transformer("swin")) == "norm"


class Sequence(nn.Module):
    """Attention over channels: what follows the convolution is no grid of patches."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 20, 9, stride=9)
        self.flatten = nn.Flatten(2)
        self.head = nn.Linear(49, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.flatten(self.convolution(images))).mean(1)


def test_sequences_that_are_no_patches_ask_for_a_layer() -> None:
    with pytest.raises(InputError, match=r"'convolution'.*no grid of patches.*layer='…'"):
        last_spatial_layer(explanandum(Sequence()))


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
