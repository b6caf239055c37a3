"""Any decoder of segmentation-models-pytorch over any timm encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from explanans.classifiers.sources.shared.published_weights import fetched
from explanans.errors import InputError
from explanans.explainers.networks.encoders import EncoderWeights, copy_weights, require_multiple
from explanans.explainers.networks.heads import ClassHead

DECODERS = ("unet", "unetplusplus", "manet", "linknet", "fpn", "pspnet", "deeplabv3plus", "pan", "upernet", "segformer")


class SMP(nn.Module):
    """A model of segmentation-models-pytorch as images (N, 3, H, W) → logits (N, C, H, W)."""

    def __init__(self, decoder: str, encoder: str, num_classes: int, encoder_weights: EncoderWeights) -> None:
        super().__init__()
        smp = _library()
        try:
            build = partial(
                smp.create_model,
                decoder,
                encoder_name=f"tu-{encoder}",
                encoder_weights="imagenet" if encoder_weights == "published" else None,
                classes=num_classes,
            )
            self.model = fetched(build) if encoder_weights == "published" else build()
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise InputError(
                f"network='{decoder}/{encoder}' cannot be built: {error}. Try another encoder, or encoder_weights=None."
            ) from error
        # Of all these decoders the first layer of the head is the convolution, what follows enlarges.
        self.model.segmentation_head[0] = ClassHead.instead_of(self.model.segmentation_head[0])
        if isinstance(encoder_weights, Mapping):
            copy_weights(self.model.encoder, encoder_weights, prefix="model.")
        self.multiple = int(self.model.encoder.output_stride)

    def forward(self, images: Tensor) -> Tensor:
        require_multiple(images.shape[-2], images.shape[-1], self.multiple)
        return self.model(images)


def _library() -> Any:
    """Imported when it is needed: it takes a second, and cannot be imported where docstrings are stripped."""
    try:
        import segmentation_models_pytorch
    except TypeError as error:
        raise InputError(
            "network: segmentation-models-pytorch cannot be imported with PYTHONOPTIMIZE=2 (python -OO); unset it, or "
            "take another network, such as trunk."
        ) from error
    return segmentation_models_pytorch


def smp_network(decoder: str) -> Callable[[str, int, EncoderWeights], nn.Module]:
    """The builder for one decoder."""

    def build(encoder: str, num_classes: int, encoder_weights: EncoderWeights) -> nn.Module:
        if not encoder:
            raise InputError(
                f"network={decoder!r} needs an encoder: '{decoder}/resnet50', '{decoder}/mobilenetv2_100'."
            )
        return SMP(decoder, encoder, num_classes, encoder_weights)

    return build
