"""timm:NAME"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from explanans.errors import InputError
from explanans.preprocessing import Preprocessing
from explanans.sources.base import Loaded, Source
from explanans.sources.published import published
from explanans.sources.weights import load_weights


def load_timm(name: str, weights: str | Path | None) -> Loaded:
    import timm
    from timm.data import resolve_model_data_config

    if not timm.is_model(name.split(".")[0]):
        close = timm.list_models(f"*{name.split('_')[0]}*")[:8]
        raise InputError(f"timm has no model {name!r}; close to it: {', '.join(close) or 'nothing'}.")
    if weights is None:
        module = published(f"timm:{name}", lambda: timm.create_model(name, pretrained=True))
    else:
        module = timm.create_model(name, pretrained=False)
        load_weights(module, weights)
    data = resolve_model_data_config(module)
    is_imagenet = module.num_classes == 1000
    return Loaded(
        module,
        Source(f"timm:{name}"),
        classes=imagenet_names() if is_imagenet else None,
        activation="softmax" if is_imagenet else None,
        preprocessing=Preprocessing(data["input_size"][1:], data["mean"], data["std"], data["interpolation"]),
    )


def build_timm(source: Source) -> nn.Module:
    import timm

    return timm.create_model(source.spec.partition(":")[2], pretrained=False, **source.arguments)


def imagenet_names() -> list[str]:
    """The 1000 names; the two cranes, a bird and a machine, are told apart by their WordNet numbers."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    names = list(info.label_descriptions())
    return [
        f"{name} ({number})" if names.count(name) > 1 else name
        for name, number in zip(names, info.label_names(), strict=True)
    ]
