"""hf:NAME or hf:FOLDER, an image classifier of transformers with its own processor and class names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from explanans.errors import InputError
from explanans.preprocessing import INTERPOLATIONS, Preprocessing
from explanans.sources.base import Loaded, Source
from explanans.sources.weights import load_weights

_RESAMPLING = {
    int(Image.Resampling.NEAREST): "nearest",
    int(Image.Resampling.BILINEAR): "bilinear",
    int(Image.Resampling.BICUBIC): "bicubic",
}


def load_hugging_face(name: str, weights: str | Path | None) -> Loaded:
    """Weights in safetensors only, and never code from the repository."""
    transformers = _transformers()
    spec = f"hf:{name}"
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
        if weights is None:
            model = transformers.AutoModelForImageClassification.from_pretrained(
                name, trust_remote_code=False, use_safetensors=True
            )
        else:
            config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
            model = transformers.AutoModelForImageClassification.from_config(config)
            load_weights(model, weights)
    except (OSError, ValueError, KeyError) as error:
        where = "is no such folder here, and " if not Path(name).is_dir() else ""
        raise InputError(
            f"classifier {spec!r} {where}could not be loaded ({_short(error)}). Without a network, put config.json, "
            "preprocessor_config.json and model.safetensors into a folder and name it: hf:FOLDER."
        ) from error
    config = model.config
    labels = [str(config.id2label[index]) for index in range(config.num_labels)]
    multi = getattr(config, "problem_type", None) == "multi_label_classification"
    return Loaded(
        model,
        Source(spec, {"config": config.to_dict()}),
        classes=labels if len(set(labels)) == len(labels) else [f"{name} ({i})" for i, name in enumerate(labels)],
        activation="sigmoid" if multi else "softmax",
        preprocessing=_preprocessing(spec, processor),
    )


def build_hugging_face(source: Source) -> nn.Module:
    transformers = _transformers()
    given = dict(source.arguments["config"])
    config = transformers.AutoConfig.for_model(given.pop("model_type"), **given)
    return transformers.AutoModelForImageClassification.from_config(config)


def _preprocessing(spec: str, processor: Any) -> Preprocessing:
    """The processor's size, mean, std and interpolation. Where it crops, the whole picture is resized to the crop's
    size instead, as for every classifier here: a mask covers all that a picture shows.

    Raises:
        InputError: a step that a mean and a deviation cannot express.
    """
    read = _Settings(processor)
    crop = read("crop_size") if read("do_center_crop") else None
    size = _size(crop or read("size"))
    if size is None:
        raise InputError(f"classifier {spec!r}: its processor's size {read('size')!r} is none; pass preprocessing=….")
    factor = read("rescale_factor") if read("do_rescale") is not False else 1.0
    factor = 1 / 255 if factor is None else float(factor)
    if abs(factor * 255 - 1) > 1e-3 and abs(factor * 127.5 - 1) > 1e-3:
        raise InputError(f"classifier {spec!r}: its processor multiplies pixels by {factor:g}; pass preprocessing=….")
    scale = factor * 255
    mean, std = (
        (read("image_mean"), read("image_std")) if read("do_normalize") is not False else ((0.0,) * 3, (1.0,) * 3)
    )
    # The processor computes (value · scale − offset − mean) / std.
    offset = 1.0 if scale > 1.5 and read("rescale_offset", True) else 0.0
    resample = _RESAMPLING.get(int(read("resample") if read("resample") is not None else Image.Resampling.BILINEAR))
    if resample not in INTERPOLATIONS:
        raise InputError(f"classifier {spec!r}: its processor resamples by {read('resample')}; pass preprocessing=….")
    means = tuple((float(each) + offset) / scale for each in _listed(mean))
    stds = tuple(float(each) / scale for each in _listed(std))
    return Preprocessing(size, means, stds, resample)


class _Settings:
    """Attributes of a processor, or entries of its configuration."""

    def __init__(self, processor: Any) -> None:
        self.processor, self.entries = processor, processor.to_dict()

    def __call__(self, name: str, default: Any = None) -> Any:
        return self.entries.get(name, getattr(self.processor, name, default))


def _size(given: Any) -> tuple[int, int] | None:
    if isinstance(given, int):
        return given, given
    given = dict(given) if hasattr(given, "keys") else given
    if isinstance(given, dict) and given.get("height") and given.get("width"):
        return int(given["height"]), int(given["width"])
    if isinstance(given, dict) and given.get("shortest_edge"):
        return int(given["shortest_edge"]), int(given["shortest_edge"])
    return None


def _listed(value: Any) -> list[float]:
    return [value] * 3 if isinstance(value, int | float) else list(value)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _transformers() -> Any:
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise InputError("hf: needs transformers, which is not installed: pip install 'explanans[hf]'.") from error
    return transformers
