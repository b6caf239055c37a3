"""Where a network's encoder gets its first weights from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import timm
from torch import Tensor, nn

from explanans.classifiers.sources.shared.base import WRONG_SETTINGS
from explanans.classifiers.sources.shared.published_weights import fetched
from explanans.classifiers.sources.timm_models import SETTINGS
from explanans.errors import InputError
from explanans.utils.query_options import split_options

EncoderWeights = Literal["published"] | Mapping[str, Tensor] | None


def timm_encoder(name: str, weights: EncoderWeights, **arguments: Any) -> nn.Module:
    """A timm model as a feature pyramid, with ``feature_info`` for its channels and strides.

    ``name`` may carry settings of the architecture: ``mobilenetv2_100?pad_type=same``.
    """
    what = f"network: encoder {name!r}"
    name, settings = split_options(name, SETTINGS, what)
    arguments |= settings
    if not name or not timm.is_model(name.split(".")[0]):
        close = timm.list_models(f"*{name.split('_')[0]}*")[:8] if name else ["mobilenetv2_100", "resnet50"]
        raise InputError(f"network: timm has no encoder {name!r}; for example {', '.join(close) or 'resnet50'}.")
    try:
        build = partial(timm.create_model, name, features_only=True, pretrained=weights == "published", **arguments)
        encoder = fetched(build) if weights == "published" else build()
    except WRONG_SETTINGS as error:
        raise InputError(f"{what} cannot be built so ({error}); leave out what it does not have.") from error
    except OSError as error:
        raise InputError(
            f"network: the published weights of {name} could not be loaded ({error}). Without a network, pass "
            "encoder_weights as a file, 'explanandum' or None."
        ) from error
    if isinstance(weights, Mapping):
        copy_weights(encoder, weights)
    return encoder


def copy_weights(encoder: nn.Module, weights: Mapping[str, Tensor], prefix: str = "") -> None:
    """Copy a classifier's trunk into an encoder by name (``prefix`` + classifier's name = encoder's name).

    Raises:
        InputError: less than nine tenths of the encoder's parameters are found with the same shape: another
            architecture.
    """
    own = encoder.state_dict()
    fitting = {
        prefix + name: tensor.to(own[prefix + name].dtype)
        for name, tensor in ((name, _for_colour(tensor, own.get(prefix + name))) for name, tensor in weights.items())
        if prefix + name in own and own[prefix + name].shape == tensor.shape
    }
    found = sum(own[name].numel() for name in fitting)
    wanted = sum(tensor.numel() for tensor in own.values())
    if found < 0.9 * wanted:
        raise InputError(
            f"encoder_weights: only {found / wanted:.0%} of the encoder's parameters are among the weights given; the "
            "encoder must be the architecture that they come from, or take encoder_weights='published'."
        )
    encoder.load_state_dict(fitting, strict=False)


def _for_colour(tensor: Tensor, own: Tensor | None) -> Tensor:
    """A first convolution of grey pictures does the same on three equal channels at a third of its weights."""
    if own is None or own.ndim != 4 or tensor.ndim != 4 or tensor.shape[1] != 1 or own.shape[1] != 3:
        return tensor
    return tensor.expand(-1, 3, -1, -1) / 3


def require_multiple(height: int, width: int, multiple: int) -> None:
    """Refuse an input whose sides the network cannot halve often enough.

    Raises:
        InputError: names the nearest larger size that works.
    """
    if height % multiple or width % multiple:
        better = [-(-side // multiple) * multiple for side in (height, width)]
        raise InputError(
            f"images are {height}x{width} pixels, but this network needs multiples of {multiple}; "
            f"take {better[0]}x{better[1]}."
        )
