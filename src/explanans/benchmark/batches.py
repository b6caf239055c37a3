"""From a batch of images and a method's maps to rows of the result files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from explanans import metrics
from explanans.benchmark.calling import Called
from explanans.benchmark.known_pictures import Pictures
from explanans.benchmark.scoring import Scorer, Scores, masks_of
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, collate

MASK_GROUPS = (
    *("classes", "predicted", "segmentation", "boundary", "kept", "top_area", "saliency", "insertion", "road"),
    "specificity",
)
"""Groups of scores that follow from a mask; the others ask the method again."""


class WholeAnswers:
    """The classifier's probabilities on whole images, asked once for all methods.

    One image at a time, because sums in another batch may differ in their last bits, and a run that was killed shall
    end in the same numbers as one that was not.
    """

    def __init__(self, explanandum: Explanandum) -> None:
        self.explanandum = explanandum
        self._known: dict[int, Tensor] = {}

    def __call__(self, images: Tensor, indices: Sequence[int]) -> Tensor:
        for image, index in zip(images.split(1), indices, strict=True):
            if index not in self._known:
                self._known[index] = self.explanandum.probabilities(image)[0]
        return torch.stack([self._known[index] for index in indices])


def read_pictures(
    dataset: LabelledImages, indices: Sequence[int], device: torch.device, whole: WholeAnswers | None = None
) -> Pictures:
    """These images of a data set, with the classifier's answers to them where ``whole`` gives them."""
    batch = collate([dataset[index] for index in indices])
    images, labels = batch["image"].to(device), batch["labels"].to(device).bool()
    target = valid = segmentation = None
    if "segmentation" in batch:
        segmentation = batch["segmentation"].to(device)
        target, valid = metrics.label_region(segmentation, labels)
    answers = None if whole is None else whole(images, indices)
    return Pictures(images, labels, target, valid, answers, tuple(indices), segmentation)


def scored(
    scorer: Scorer,
    pictures: Pictures,
    called: Called,
    step: str,
    groups: Mapping[str, Tensor],
    threshold: float | None = None,
    earlier: Scores | None = None,
) -> tuple[Scores, list[str]]:
    """Scores of the maps under a normalisation, and for each image why there is no map ("": there is)."""
    masks, refused = masks_of(called.maps, step)
    errors = [failure or refusal for failure, refusal in zip(called.errors, refused, strict=True)]
    failed = torch.tensor([bool(error) for error in errors], device=masks.device)
    scores = scorer(pictures.of(called), masks, groups, threshold=threshold, failed=failed, earlier=earlier)
    return scores, errors


def rows_of(
    dataset: LabelledImages,
    pictures: Pictures,
    found: Mapping[str, tuple[Scores, list[str]]],
    extra: Mapping[str, Mapping[int, float]],
) -> list[dict[str, Any]]:
    """A row for each image and normalisation, in that order.

    Args:
        found: by normalisation what :func:`scored` returned.
        extra: by column values of some of the images (by place in the batch), which go to the first normalisation.
    """
    rows = []
    lists = {
        step: {name: values.tolist() for name, values in scores.values.items()} for step, (scores, _) in found.items()
    }
    for n, index in enumerate(pictures.indices):
        names = [name for name, has in zip(dataset.classes, pictures.labels[n].tolist(), strict=True) if has]
        for place, (step, (scores, errors)) in enumerate(found.items()):
            status = "failed" if errors[n] else "nan" if scores.broken[n] else "ok"
            values = {name: _known(column[n]) for name, column in lists[step].items()}
            if place == 0:
                values |= {name: column.get(n) for name, column in extra.items()}
            rows.append(
                {
                    "image": dataset.names[index],
                    "index": index,
                    "labels": names,
                    "normalisation": step,
                    "status": status,
                    "error": errors[n],
                    **values,
                }
            )
    return rows


def _known(value: float | list[float]) -> float | list[float] | None:
    """None for what was not asked for."""
    first = value[0] if isinstance(value, list) else value
    return None if first != first else value
