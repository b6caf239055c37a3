"""A vision transformer for the generated scenes, to choose a method on; the demo's classifier gives its stem.

    PYTHONPATH=benchmarks explanans classifier fit scene_transformer:make scenes:demo/scenes --weights null --size 96 \\
        --arguments '{stem: demo/classifier/classifier}' --augment turn --blanks 0.125 --hidden 0.25 \\
        --run.max_epochs 6 --run.patience 0 --no_optimizer.freeze_statistics --optimizer.lr 0.002 --out runs/transformer
    python benchmarks/cuts.py runs/transformer/classifier scenes:demo/scenes --trust_factory --split "test[:60]" …

A transformer that starts from pixels learns little from some thousand pictures. This one is a hybrid (Dosovitskiy et
al. 2021, section 3.1): the first three stages of the small ResNet, frozen, give 12 x 12 tokens of stride 8; timm's
blocks attend over them, and a class token is read.
"""

from __future__ import annotations

from functools import partial
from typing import Self

from timm.layers import HybridEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from explanans import Explanandum
from explanans.classifiers.small_resnet import SmallResNet

SIZE, STAGES = 96, 3


class Stem(nn.Module):
    """The first stages of a small ResNet, which neither learns nor counts batches any more."""

    def __init__(self, network: SmallResNet) -> None:
        super().__init__()
        self.stem, self.blocks = network.stem, network.blocks[:STAGES]
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.blocks(self.stem(images))


def make(num_classes: int, stem: str, depth: int = 3, width: int = 64, heads: int = 4) -> VisionTransformer:
    network = Explanandum.load(stem).module
    assert isinstance(network, SmallResNet), "stem: name the classifier of explanans demo"
    return VisionTransformer(
        img_size=SIZE,
        patch_size=1,
        num_classes=num_classes,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        embed_layer=partial(HybridEmbed, backbone=Stem(network)),
    )
