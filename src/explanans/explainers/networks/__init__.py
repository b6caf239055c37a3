"""The mask networks that an Explainer can have inside: images (N, 3, H, W) → logits (N, C, h, w).

A network is named ``family`` or ``family/encoder``. To add one: write a builder in a file of its own and list it here.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers.networks.compact import compact
from explanans.explainers.networks.copied import CopiedTrunk, copied_trunk
from explanans.explainers.networks.deeplab import deeplabv3_resnet50
from explanans.explainers.networks.encoders import EncoderWeights
from explanans.explainers.networks.fpn import light_fpn
from explanans.explainers.networks.heads import class_maps
from explanans.explainers.networks.smp import DECODERS, smp_network
from explanans.explainers.networks.trunk import TrunkHead, trunk_head
from explanans.ops.class_maps import ClassMaps
from explanans.utils.text import did_you_mean

__all__ = ["AUTO", "CHOICES", "NETWORKS", "CopiedTrunk", "TrunkHead", "build_network", "build_own_network"]

AUTO = "auto"
CHOICES = ("copy", "trunk", "light/mobilenetv3_large_100")
"""What "auto" tries, in this order."""

Builder = Callable[[str, int, EncoderWeights], nn.Module]

OF_THE_CLASSIFIER: dict[str, Callable[[str, Explanandum | None], nn.Module]] = {
    "copy": copied_trunk,
    "trunk": trunk_head,
}
"""Networks that are made of the classifier itself; settings may follow the name."""

NETWORKS: dict[str, Builder] = {
    "compact": compact,
    "deeplabv3_resnet50": deeplabv3_resnet50,
    "light": light_fpn,
    **{decoder: smp_network(decoder) for decoder in DECODERS},
}


def build_own_network(explanandum: Explanandum, encoder_weights: EncoderWeights = "published") -> tuple[str, nn.Module]:
    """What a classifier suggests, and its name: the first of :data:`CHOICES` that can be built.

    "copy" where its features can be read and learned, "trunk" where they can only be read, else a light network.
    """
    for name in CHOICES[:-1]:
        try:
            return name, build_network(name, explanandum.num_classes, encoder_weights, explanandum)
        except InputError:
            continue
    return CHOICES[-1], build_network(CHOICES[-1], explanandum.num_classes, encoder_weights, explanandum)


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
            "unet/ENCODER", "deeplabv3plus/ENCODER", "fpn/ENCODER", …; or, made of the classifier itself, "copy" (a
            light pyramid on a copy of its trunk, which is trained) and "trunk" (a head on its own frozen features),
            whose settings may follow: "copy?width=64", "trunk?width=64&depth=1".
        num_classes: C, one logit map each.
        encoder_weights: "published" (ImageNet), None (random), or a state dict whose names are the encoder's; "copy"
            and "trunk" have the classifier's whatever it says.
        explanandum: the classifier, which "copy" copies and "trunk" reads.
    """
    if (own := OF_THE_CLASSIFIER.get(name.partition("?")[0])) is not None:
        return own(name, explanandum)
    family, _, encoder = name.partition("/")
    if family not in NETWORKS:
        known = sorted([*NETWORKS, *OF_THE_CLASSIFIER])
        near = did_you_mean(family, known)
        raise InputError(f"network={name!r}{near}; take one of {', '.join(known)}, with /ENCODER where it needs one.")
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
