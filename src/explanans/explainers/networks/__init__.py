"""The mask networks that an Explainer can have inside: images (N, 3, H, W) → logits (N, C, h, w).

A network is named ``family`` or ``family/encoder``. To add one: write a builder in a file of its own and list it here.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.taps import find_taps
from explanans.errors import InputError
from explanans.explainers.networks.compact import compact
from explanans.explainers.networks.deeplab import deeplabv3_resnet50
from explanans.explainers.networks.encoders import EncoderWeights
from explanans.explainers.networks.fpn import light_fpn
from explanans.explainers.networks.heads import class_maps
from explanans.explainers.networks.smp import DECODERS, smp_network
from explanans.explainers.networks.trunk import TrunkHead, trunk_head
from explanans.ops.class_maps import ClassMaps
from explanans.utils.text import did_you_mean

__all__ = ["AUTO", "NETWORKS", "TRUNK", "TrunkHead", "build_network", "choose_network"]

AUTO = "auto"
FALLBACK = "light/mobilenetv3_large_100"

Builder = Callable[[str, int, EncoderWeights], nn.Module]

TRUNK = "trunk"

NETWORKS: dict[str, Builder] = {
    "compact": compact,
    "deeplabv3_resnet50": deeplabv3_resnet50,
    "light": light_fpn,
    **{decoder: smp_network(decoder) for decoder in DECODERS},
}


def choose_network(explanandum: Explanandum) -> str:
    """What a classifier suggests: "trunk" where its own features can be read, else a light network of its own."""
    try:
        find_taps(explanandum)
    except InputError:
        return FALLBACK
    return TRUNK


def build_network(
    name: str,
    num_classes: int,
    encoder_weights: EncoderWeights = "published",
    explanandum: Explanandum | None = None,
) -> nn.Module:
    """Build the mask network that ``name`` names.

    Args:
        name: "compact" (small, from scratch), "light/ENCODER" (a light pyramid over a timm encoder, whose settings may
            follow: "light/mobilenetv2_100?pad_type=same"),
            "deeplabv3_resnet50" (the paper's), or a decoder of segmentation-models-pytorch over a timm encoder:
            "unet/ENCODER", "deeplabv3plus/ENCODER", "fpn/ENCODER", …; or "trunk", a head on the frozen features of the
            classifier itself, whose settings may follow: "trunk?width=64&depth=1".
        num_classes: C, one logit map each.
        encoder_weights: "published" (ImageNet), None (random), or a state dict whose names are the encoder's.
        explanandum: the classifier, which "trunk" reads.
    """
    if name.partition("?")[0] == TRUNK:
        return trunk_head(name, explanandum)
    family, _, encoder = name.partition("/")
    if family not in NETWORKS:
        near = did_you_mean(family, [*NETWORKS, TRUNK])
        raise InputError(
            f"network={name!r}{near}; take one of {', '.join(sorted([*NETWORKS, TRUNK]))}, with /ENCODER where it "
            "needs one."
        )
    network = NETWORKS[family](encoder, num_classes, encoder_weights)
    grey = explanandum is not None and explanandum.preprocessing.channels == 1
    return GreyInput(network) if grey else network


class GreyInput(nn.Module):
    """A network of colour pictures for grey ones (N, 1, H, W): three times the same channel."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.expand(-1, 3, -1, -1))

    def maps(self, images: Tensor) -> ClassMaps:
        return class_maps(self.network, images.expand(-1, 3, -1, -1))
