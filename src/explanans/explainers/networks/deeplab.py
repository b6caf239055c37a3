"""The paper's network: DeepLab-v3 over a ResNet-50 with dilation (Chen et al. 2017), from torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn
from torchvision.models import ResNet50_Weights
from torchvision.models.segmentation import deeplabv3_resnet50 as torchvision_deeplab

from explanans.classifiers.sources.shared.published_weights import fetched, where_to_get
from explanans.errors import InputError
from explanans.explainers.networks.encoders import EncoderWeights, copy_weights
from explanans.explainers.networks.heads import ClassHead


class DeepLab(nn.Module):
    """torchvision's DeepLab-v3 as images (N, 3, H, W) → logits (N, C, H, W); any size."""

    def __init__(self, num_classes: int, encoder_weights: EncoderWeights) -> None:
        super().__init__()
        published = ResNet50_Weights.IMAGENET1K_V1 if encoder_weights == "published" else None
        try:
            build = partial(torchvision_deeplab, weights=None, weights_backbone=published, num_classes=num_classes)
            self.model = build() if published is None else fetched(build, published.url)
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"deeplabv3_resnet50: the ImageNet weights of ResNet-50 could not be loaded ({type(error).__name__}: "
                f"{error}). Without a network, {where_to_get(ResNet50_Weights.IMAGENET1K_V1.url)}, or pass "
                "encoder_weights=FILE (--encoder_weights FILE), or None for random ones."
            ) from error
        self.model.classifier[-1] = ClassHead.instead_of(self.model.classifier[-1])
        if isinstance(encoder_weights, Mapping):
            copy_weights(self.model.backbone, encoder_weights)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)["out"]


def deeplabv3_resnet50(encoder: str, num_classes: int, encoder_weights: EncoderWeights) -> nn.Module:
    if encoder:
        raise InputError(f"network='deeplabv3_resnet50/{encoder}': this one has its encoder; drop '/{encoder}'.")
    return DeepLab(num_classes, encoder_weights)
