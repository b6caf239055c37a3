"""timm:NAME"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from torch import nn

from explanans.classifiers.sources.shared.base import WRONG_SETTINGS, Loaded, Source, unfit_settings
from explanans.classifiers.sources.shared.published_weights import published, refuse_random_head
from explanans.classifiers.sources.shared.weights import load_weights
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.query_options import split_options
from explanans.utils.text import did_you_mean
from explanans.utils.typed import Count

SETTINGS: dict[str, Any] = {
    "num_classes": Count,
    "in_chans": Count,
    "img_size": Count | list[Count],
    "patch_size": Count | list[Count],
    "window_size": Count | list[Count],
    "dynamic_img_size": bool,
    "pad_type": str,
    "output_stride": Count,
    "global_pool": str,
    "class_token": bool,
    "act_layer": str,
    "norm_layer": str,
    "drop_rate": float,
    "drop_path_rate": float,
    "drop_block_rate": float,
    "attn_drop_rate": float,
    "proj_drop_rate": float,
    "embed_dim": Count,
    "depth": Count,
    "num_heads": Count,
    "mlp_ratio": float,
    "init_values": float,
}
"""What may be said of a timm model: its shape and how it trains. Not what reads files or fetches (checkpoint_path,
pretrained, pretrained_cfg, …), because names and settings may come from somebody else's folder."""


def load_timm(name: str, weights: str | Path | None) -> Loaded:
    """:data:`SETTINGS` may follow the name: ``vit_tiny_patch16_224?num_classes=5&img_size=96``."""
    from timm.data import resolve_model_data_config

    spec = f"timm:{name}"
    name, arguments = split_options(name, SETTINGS, f"classifier {spec!r}")
    source = Source(f"timm:{name}", arguments)
    if weights is None:
        refuse_random_head(spec, arguments)
        module = published(spec, lambda: _create(source, pretrained=True), page=_page(name))
    else:
        module = build_timm(source)
        load_weights(module, weights)
    data = resolve_model_data_config(module)
    is_imagenet = module.num_classes == 1000
    size = arguments.get("img_size", data["input_size"][1:])
    return Loaded(
        module,
        source,
        classes=imagenet_names() if is_imagenet else None,
        activation="softmax" if is_imagenet else None,
        preprocessing=Preprocessing(size, data["mean"], data["std"], data["interpolation"]),
    )


def build_timm(source: Source) -> nn.Module:
    return _create(source, pretrained=False)


def _create(source: Source, *, pretrained: bool) -> Any:
    import timm

    name = source.spec.partition(":")[2]
    if not timm.is_model(name.split(".")[0]):
        close = timm.list_models(f"*{name.split('_')[0]}*")[:8]
        near = did_you_mean(name, timm.list_models())
        others = f"close to it: {', '.join(close)}" if close and name else "timm.list_models() has all"
        raise InputError(f"timm has no model {name!r}{near}; {others}.")
    try:
        return timm.create_model(name, pretrained=pretrained, **source.arguments)
    except WRONG_SETTINGS as error:
        raise unfit_settings(source, error) from error


def _page(name: str) -> str | None:
    """Where the hub shows the weights."""
    import timm

    config = timm.get_pretrained_cfg(name) if timm.is_model(name.split(".")[0]) else None
    return f"https://huggingface.co/{config.hf_hub_id}" if config is not None and config.hf_hub_id else None


def imagenet_names() -> list[str]:
    """The 1000 names, the first of several words for a class alone where that is enough to tell it from the others.

    The two cranes, a bird and a machine, are told apart by their WordNet numbers.
    """
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    whole = list(info.label_descriptions())
    first = [name.split(",")[0] for name in whole]
    times, lower = Counter(whole), Counter(name.lower() for name in first)
    return [
        short if lower[short.lower()] == 1 else name if times[name] == 1 else f"{name} ({number})"
        for short, name, number in zip(first, whole, info.label_names(), strict=True)
    ]
