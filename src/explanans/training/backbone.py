"""The classifier before it is trained: an architecture with a new head, and which part of it moves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from explanans.classifiers import sources
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

Colour = tuple[float, float, float]

HALF: Colour = (0.5, 0.5, 0.5)
SMALL = 96


def new_classifier(
    spec: str,
    num_classes: int,
    weights: str | Path | None,
    size: int | None = None,
    *,
    arguments: Mapping[str, Any] | None = None,
    statistics: tuple[Colour, Colour] | None = None,
) -> tuple[nn.Module, sources.Source, Preprocessing]:
    """The architecture that ``spec`` names with ``num_classes`` outputs.

    Args:
        spec: ``timm:NAME``, ``torchvision:NAME`` (both with the weights' tag if wanted, ``resnet50.IMAGENET1K_V1``,
            and with settings, ``timm:mobilenetv2_100?pad_type=same``), ``explanans:NAME`` or
            ``package.module:factory``; a factory is called with ``num_classes`` and takes pictures with mean and std
            of one half.
        num_classes: C outputs; what the weights hold for a head of another size stays random.
        weights: "published", a file (.safetensors or a state dict), or None for random ones.
        arguments: anything else for the architecture's constructor, such as ``{"pad_type": "same"}``.
        statistics: mean and std of the input, where the weights want others than the architecture was published with.
        size: side of the input in pixels; None takes the one that the architecture was published with, or 96.

    Returns:
        the module, how to build it again, and its preprocessing.
    """
    source = sources.named_source(spec, {**(arguments or {}), "num_classes": num_classes})
    scheme, _, name = source.spec.partition(":")
    if weights == "published" and scheme in ("timm", "torchvision"):
        published = sources.load(source.spec)
        module = sources.build(source)
        own = module.state_dict()
        fitting = {
            key: tensor
            for key, tensor in published.module.state_dict().items()
            if key in own and own[key].shape == tensor.shape
        }
        module.load_state_dict(fitting, strict=False)
    elif weights == "published":
        raise InputError(f"weights='published': {spec} has none; pass weights=None to train from scratch, or a file.")
    else:
        module = sources.build(source)
        if weights is not None:
            sources.load_weights(module, weights, exact=False)
    preprocessing = _preprocessing(scheme, name, module)
    mean, std = statistics or (preprocessing.mean, preprocessing.std)
    preprocessing = Preprocessing(preprocessing.size if size is None else size, mean, std, preprocessing.interpolation)
    return module, source, preprocessing


def _preprocessing(scheme: str, name: str, module: nn.Module) -> Preprocessing:
    if scheme == "timm":
        from timm.data import resolve_model_data_config

        data: dict[str, Any] = resolve_model_data_config(module)
        return Preprocessing(data["input_size"][1:], data["mean"], data["std"], data["interpolation"])
    if scheme == "torchvision":
        return sources.torchvision_preprocessing(name)
    return Preprocessing(SMALL, HALF, HALF)


def find_head(module: nn.Module, num_classes: int) -> tuple[str, nn.Linear]:
    """The last linear layer with one output per class, and its name."""
    linear = [
        (name, part)
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear) and part.out_features == num_classes
    ]
    if not linear:
        raise InputError(
            f"the {type(module).__name__} has no linear layer with {num_classes} outputs, so its head cannot be "
            "trained by itself; pass head_epochs=0 and leave freeze_backbone off."
        )
    return linear[-1]


def freeze_before(module: nn.Module, first: str) -> None:
    """Freeze all parameters that are defined before the first one whose name starts with ``first``."""
    names = [name for name, _ in module.named_parameters()]
    starts = [index for index, name in enumerate(names) if name == first or name.startswith(f"{first}.")]
    if not starts:
        stages = list(dict.fromkeys(".".join(name.split(".")[:2]) for name in names))
        raise InputError(f"trainable_from={first!r} is no part of the {type(module).__name__}; it has {stages}.")
    for index, parameter in enumerate(module.parameters()):
        parameter.requires_grad_(index >= starts[0])
