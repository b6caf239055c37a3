"""timm:NAME"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from explanans.classifiers.sources.shared.base import Loaded, Source
from explanans.classifiers.sources.shared.published import published, refuse_random_head
from explanans.classifiers.sources.shared.weights import load_weights
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.options import positive, split_options


def load_timm(name: str, weights: str | Path | None) -> Loaded:
    """``num_classes`` and ``img_size`` may follow the name: ``vit_tiny_patch16_224?num_classes=5&img_size=96``."""
    from timm.data import resolve_model_data_config

    spec = f"timm:{name}"
    name, options = split_options(name, ("num_classes", "img_size"))
    arguments = {option: positive(spec, options, option, 1) for option in options}
    source = Source(f"timm:{name}", arguments)
    if weights is None:
        refuse_random_head(spec, arguments)
        module = published(spec, lambda: _create(source, pretrained=True))
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
        raise InputError(f"timm has no model {name!r}; close to it: {', '.join(close) or 'nothing'}.")
    try:
        return timm.create_model(name, pretrained=pretrained, **source.arguments)
    except TypeError as error:
        raise InputError(f"classifier {source.spec!r}: {error}; leave that option out.") from error


def imagenet_names() -> list[str]:
    """The 1000 names; the two cranes, a bird and a machine, are told apart by their WordNet numbers."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    names = list(info.label_descriptions())
    return [
        f"{name} ({number})" if names.count(name) > 1 else name
        for name, number in zip(names, info.label_names(), strict=True)
    ]
