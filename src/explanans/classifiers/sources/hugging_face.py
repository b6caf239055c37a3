"""hf:NAME or hf:FOLDER, an image classifier of transformers with its own processor and class names."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from explanans.classifiers.sources.shared.base import Loaded, Source
from explanans.classifiers.sources.shared.processors import InexpressibleError, read_processor
from explanans.classifiers.sources.shared.weights import load_weights
from explanans.classifiers.sources.timm_models import SETTINGS
from explanans.errors import InputError
from explanans.utils.network import hub_or_cache
from explanans.utils.paths import near_path
from explanans.utils.typed import check_settings

MOST_UNNAMED = 100_000
"""Classes without names that a model may have."""


def load_hugging_face(name: str, weights: str | Path | None) -> Loaded:
    """Weights in safetensors only, and never code from the repository."""
    transformers = _transformers()
    spec = f"hf:{name}"
    reason = ""
    try:
        with nullcontext("") if Path(name).is_dir() else hub_or_cache() as reason:
            processor, model = _fetch(transformers, spec, name, weights)
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        where = f"is no such folder here{near_path(name)}, and " if not Path(name).is_dir() else ""
        raise InputError(
            f"classifier {spec!r} {where}could not be loaded ({reason or _short(error)}). Without a network, put "
            "config.json, preprocessor_config.json and model.safetensors into a folder and name it: hf:FOLDER."
        ) from error
    config = model.config
    problem = getattr(config, "problem_type", None)
    if problem == "regression":
        raise InputError(f"classifier {spec!r} predicts numbers (problem_type is regression); expected classes.")
    labels = [str(config.id2label[index]) for index in range(config.num_labels)]
    try:
        preprocessing, bgr = read_processor(processor)
        unknown = ""
    except InexpressibleError as error:
        preprocessing, bgr, unknown = None, False, f"its processor {error}"
    arguments = {"config": config.to_dict(), **({"bgr": True} if bgr else {})}
    return Loaded(
        BlueGreenRed(model) if bgr else model,
        Source(spec, arguments),
        classes=labels if len(set(labels)) == len(labels) else [f"{label} ({i})" for i, label in enumerate(labels)],
        activation="sigmoid" if problem == "multi_label_classification" else "softmax",
        preprocessing=preprocessing,
        unknown=unknown,
    )


def _fetch(transformers: Any, spec: str, name: str, weights: str | Path | None) -> tuple[Any, Any]:
    """Processor and model."""
    processor = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    _check_labels(spec, transformers.PretrainedConfig.get_config_dict(name)[0])
    config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
    _check_timm(spec, config.to_dict())
    if weights is None:
        model = transformers.AutoModelForImageClassification.from_pretrained(
            name, trust_remote_code=False, use_safetensors=True
        )
    else:
        model = transformers.AutoModelForImageClassification.from_config(config, trust_remote_code=False)
        load_weights(model, weights)
    return processor, model


def build_hugging_face(source: Source) -> nn.Module:
    transformers = _transformers()
    if "config" not in source.arguments:
        raise InputError(
            f"classifier {source.spec!r} can be explained, but not trained here; fine-tune it with transformers, then "
            "name its folder: hf:FOLDER."
        )
    given = dict(source.arguments["config"])
    _check_timm(source.spec, given)
    _check_labels(source.spec, given)
    config = transformers.AutoConfig.for_model(given.pop("model_type"), **given)
    model = transformers.AutoModelForImageClassification.from_config(config, trust_remote_code=False)
    return BlueGreenRed(model) if source.arguments.get("bgr") else model


def _check_timm(spec: str, config: Mapping[str, Any]) -> None:
    """transformers hands ``model_args`` to timm as they are."""
    check_settings(config.get("model_args") or {}, SETTINGS, f"classifier {spec!r}: model_args")


def _check_labels(spec: str, config: Mapping[str, Any]) -> None:
    """transformers makes up a name for each class of ``num_labels``, and then the head, whatever memory there is."""
    number, names = config.get("num_labels"), config.get("id2label")
    most = len(names) if names else MOST_UNNAMED
    if number is not None and not (isinstance(number, int) and 0 <= number <= most):
        raise InputError(
            f"classifier {spec!r}: its config.json has num_labels={number!r} and names {len(names or ()):,} classes "
            f"(id2label); give a number up to {most:,}, or name the classes."
        )


class BlueGreenRed(nn.Module):
    """A classifier that reads blue, green, red, for images in red, green, blue."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Any:
        return self.inner(images.flip(1))


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _transformers() -> Any:
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise InputError("hf: needs transformers, which is not installed: pip install 'explanans[hf]'.") from error
    return transformers
