"""torchvision:DETECTOR and torchvision:SEGMENTER, reduced to a probability for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from explanans.classifiers.sources.shared.base import WRONG_SETTINGS, Loaded, Source, unfit_settings
from explanans.classifiers.sources.shared.boxes import Outputs, as_logits
from explanans.classifiers.sources.shared.published_weights import published, refuse_random_head
from explanans.classifiers.sources.shared.reductions import Reduction, score_of_boxes, score_of_pixels
from explanans.classifiers.sources.shared.weights import load_weights
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.query_options import split_options
from explanans.utils.typed import Count

SETTINGS: dict[str, Any] = {
    "reduce": Reduction,
    "num_classes": Count,
    "min_size": Count,
    "max_size": Count,
    "box_score_thresh": float,
    "box_nms_thresh": float,
    "box_detections_per_img": Count,
    "score_thresh": float,
    "nms_thresh": float,
    "detections_per_img": Count,
    "aux_loss": bool,
}
"""What may be said of one: how boxes or pixels become a probability, and what its constructor takes."""

# Names in the lists of classes of published weights that are none.
NO_CLASSES = ("__background__", "N/A")


class DetectorBox(nn.Module):
    """A detector or segmenter of torchvision's form as images → logits, without gradients.

    A detector gets a list of images (3, H, W) in [0, 1] and returns for each "boxes", "scores" and "labels"; a
    segmenter gets normalised images and returns logits (N, K, h, w), alone or as "out". Label 0 is the background.

    Args:
        module: the detector or segmenter.
        columns: for each label from 0 on its class, None for what is no class; ``None`` for label − 1.
        reduce: "max" or, for boxes, "noisy_or", for pixels "mean".
        classes: how many.
    """

    differentiable = False
    outputs: Outputs = "sigmoid"

    def __init__(
        self, module: nn.Module, classes: int, *, reduce: Reduction = "max", columns: Sequence[int | None] | None = None
    ) -> None:
        super().__init__()
        self.module, self.classes, self.reduce = module, classes, reduce
        self.columns = [None, *range(classes)] if columns is None else list(columns)

    def forward(self, images: Tensor) -> Tensor:
        if not len(images):
            # torchvision's detectors fail on a list of none.
            return as_logits(images.new_zeros(0, self.classes), self.outputs)
        with torch.no_grad():
            found = self.module(list(images) if _takes_lists(self.module) else images)
        if isinstance(found, list):
            scores = score_of_boxes(found, self._column, self.classes, self.reduce)
        else:
            logits = found["out"] if isinstance(found, dict) else found
            kept = [self.columns.index(column) for column in range(self.classes)]
            if logits.ndim != 4 or logits.shape[1] != len(self.columns):
                raise InputError(
                    f"the segmenter returned {tuple(logits.shape)} for {self.classes} classes; expected "
                    f"(N, {len(self.columns)}, h, w): the background first, then the classes."
                )
            scores = score_of_pixels(logits.softmax(1)[:, kept], self.reduce)
        return as_logits(scores.to(images.device), self.outputs)

    def _column(self, label: Any) -> int | None:
        if not 0 <= label < len(self.columns):
            raise InputError(
                f"the detector returned the label {label} for {self.classes} classes; expected 0 (background) to "
                f"{len(self.columns) - 1}. Give it all its class names."
            )
        return self.columns[int(label)]


def is_detector(name: str) -> bool:
    """Whether torchvision has a detector or segmenter of this name (``ARCHITECTURE`` or ``ARCHITECTURE.TAG``)."""
    return name.partition("?")[0].split(".")[0] in detector_names()


def detector_names() -> list[str]:
    from torchvision import models

    listed = models.list_models(module=models.detection, exclude="*keypoint*")
    return [*listed, *models.list_models(module=models.segmentation)]


def load_detector(name: str, weights: str | Path | None) -> Loaded:
    """:data:`SETTINGS` may follow the name: ``fasterrcnn_resnet50_fpn?num_classes=5&reduce=noisy_or``; as torchvision
    counts, ``num_classes`` has the background in it."""
    from torchvision import models

    spec = f"torchvision:{name}"
    name, own = split_options(name, SETTINGS, f"classifier {spec!r}")
    architecture, _, tag = name.partition(".")
    entries = models.get_model_weights(architecture)
    if tag and tag not in entries.__members__:
        known = ", ".join(f"{architecture}.{each.name}" for each in entries)
        raise InputError(f"torchvision has no weights {name!r}; it has {known}.")
    entry = entries[tag] if tag else entries.DEFAULT
    source = Source(f"torchvision:{name}", own)
    if weights is None:
        refuse_random_head(spec, own)
        box = cast(DetectorBox, published(source.spec, lambda: _create(source, entry), entry.url))
    else:
        box = build_detector(source)
        load_weights(box.module, weights)
    named = None
    if "num_classes" not in own:
        named = [each for each in entry.meta["categories"] if each not in NO_CLASSES]
    return Loaded(box, source, named, "sigmoid", _preprocessing(box.module, entry))


def build_detector(source: Source) -> DetectorBox:
    return _create(source, None)


def _create(source: Source, weights: Any) -> DetectorBox:
    from torchvision import models

    name = source.spec.partition(":")[2]
    own = dict(source.arguments)
    reduce: Reduction = own.pop("reduce", "max")
    architecture = name.split(".")[0]
    categories = models.get_model_weights(architecture).DEFAULT.meta["categories"]
    own.setdefault("num_classes", len(categories))
    try:
        module = models.get_model(architecture, weights=weights, weights_backbone=None, **own)
    except WRONG_SETTINGS as error:
        raise unfit_settings(source, error) from error
    if "num_classes" in source.arguments:
        return DetectorBox(module, own["num_classes"] - 1, reduce=reduce)
    numbers = iter(range(len(categories)))
    columns = [None if each in NO_CLASSES else next(numbers) for each in categories]
    return DetectorBox(module, sum(each is not None for each in columns), reduce=reduce, columns=columns)


def _preprocessing(module: nn.Module, entry: Any) -> Preprocessing:
    if _takes_lists(module):
        # It normalises by itself, and says to which size it brings a picture.
        return Preprocessing(int(cast(Any, module.transform).min_size[-1]), (0.0,) * 3, (1.0,) * 3)
    transform = entry.transforms()
    return Preprocessing(transform.resize_size[0], tuple(transform.mean), tuple(transform.std))


def _takes_lists(module: nn.Module) -> bool:
    """Torchvision's detectors have a transform of their own, which takes pictures of all sizes."""
    return hasattr(module, "transform")
