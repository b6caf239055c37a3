"""torchvision:ARCHITECTURE or torchvision:ARCHITECTURE.TAG"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from explanans.classifiers.sources.shared.base import WRONG_SETTINGS, Loaded, Source, unfit_settings
from explanans.classifiers.sources.shared.published_weights import published, refuse_random_head
from explanans.classifiers.sources.shared.weights import load_weights
from explanans.classifiers.sources.torchvision_detectors import SETTINGS as DETECTOR_SETTINGS
from explanans.classifiers.sources.torchvision_detectors import (
    build_detector,
    detector_names,
    is_detector,
    load_detector,
)
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.query_options import split_options
from explanans.utils.text import did_you_mean
from explanans.utils.typed import Count

SETTINGS: dict[str, Any] = {
    "num_classes": Count,
    "image_size": Count,
    "dropout": float,
    "attention_dropout": float,
    "stochastic_depth_prob": float,
    "drop_rate": float,
    "width_mult": float,
    "groups": Count,
    "width_per_group": Count,
    "zero_init_residual": bool,
    "memory_efficient": bool,
    "transform_input": bool,
    "aux_logits": bool,
    "init_weights": bool,
}
"""What may be said of a torchvision model: its shape and how it trains, nothing that fetches weights."""


def torchvision_settings(name: str) -> dict[str, Any]:
    """What may be said of a model of torchvision: a classifier, or a detector or segmenter that is reduced to one."""
    return DETECTOR_SETTINGS if is_detector(name) else SETTINGS


# torchvision sets these only where it loads weights itself, and the same weights mean something else without them.
_TORCHVISION_ARGUMENTS = {
    name: {"transform_input": True, "aux_logits": True, "init_weights": False} for name in ("googlenet", "inception_v3")
}


def torchvision_weights(name: str) -> Any:
    """What torchvision published for ``ARCHITECTURE`` (its newest) or ``ARCHITECTURE.TAG``, such as
    ``resnet50.IMAGENET1K_V1``.

    Raises:
        InputError: there is no such classifier, or no such weights of it.
    """
    import torchvision

    architecture, _, tag = name.partition(".")
    # Of this module alone: video models are listed too, which take no pictures.
    names = torchvision.models.list_models(module=torchvision.models)
    if architecture not in names:
        names += detector_names()
        close = [known for known in names if known.startswith(name[:4])][:8]
        near = did_you_mean(architecture, names)
        others = f"close to it: {', '.join(close)}" if close and name else "torchvision.models.list_models() has all"
        raise InputError(f"torchvision has no classifier {name!r}{near}; {others}.")
    entries = torchvision.models.get_model_weights(architecture)
    if tag and tag not in entries.__members__:
        known = ", ".join(f"{architecture}.{each.name}" for each in entries)
        raise InputError(f"torchvision has no weights {name!r}; it has {known}.")
    return entries[tag] if tag else entries.DEFAULT


def torchvision_preprocessing(name: str) -> Preprocessing:
    """How torchvision's published weights want their input; ``name`` as in :func:`torchvision_weights`."""
    transform = torchvision_weights(name).transforms()
    return Preprocessing(
        transform.crop_size[0], tuple(transform.mean), tuple(transform.std), transform.interpolation.value
    )


def load_torchvision(name: str, weights: str | Path | None) -> Loaded:
    """:data:`SETTINGS` may follow the name: ``resnet50?num_classes=5``."""
    if is_detector(name):
        return load_detector(name, weights)
    spec = f"torchvision:{name}"
    name, own = split_options(name, SETTINGS, f"classifier {spec!r}")
    weights_entry = torchvision_weights(name)
    architecture = name.split(".")[0]
    source = Source(f"torchvision:{name}", {**_TORCHVISION_ARGUMENTS.get(architecture, {}), **own})
    if weights is None:
        refuse_random_head(spec, own)
        module = published(source.spec, lambda: _create(source, weights_entry), weights_entry.url)
    else:
        module = build_torchvision(source)
        load_weights(module, weights)
    preprocessing = torchvision_preprocessing(name)
    if "image_size" in own:
        preprocessing = replace(preprocessing, size=own["image_size"])
    if "num_classes" in own:
        return Loaded(module, source, preprocessing=preprocessing)
    return Loaded(module, source, weights_entry.meta["categories"], "softmax", preprocessing)


def build_torchvision(source: Source) -> nn.Module:
    if is_detector(source.spec.partition(":")[2]):
        return build_detector(source)
    return _create(source, None)


def _create(source: Source, weights: Any) -> nn.Module:
    import torchvision

    name = source.spec.partition(":")[2]
    torchvision_weights(name)
    try:
        return torchvision.models.get_model(name.split(".")[0], weights=weights, **source.arguments)
    except WRONG_SETTINGS as error:
        raise unfit_settings(source, error) from error
