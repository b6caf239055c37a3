"""The guides of a training, made once for all its pictures instead of anew in every step."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, collate
from explanans.training.depthwise import quick_depthwise
from explanans.utils.devices import like
from explanans.utils.progress import Progress

SIZE = 56
"""The longer side of a guide; a picture and label take 3 kB."""

TOGETHER = 8
"""Pictures whose guides are made at once."""


@runtime_checkable
class Guiding(Protocol):
    """An objective that learns from guides; ``once``: they are made before the training."""

    once: bool

    def guides(self, images: Tensor, labels: Tensor, explanandum: Explanandum, size: tuple[int, int]) -> Tensor: ...


@torch.no_grad()
def with_guides(
    dataset: LabelledImages,
    objective: Guiding,
    explanandum: Explanandum,
    what: str = "guides",
    *,
    device: torch.device | None = None,
    precision: str = "32-true",
    show: bool = False,
) -> LabelledImages:
    """The same pictures, each with the guides of its labels as ``maps``: (P, h, w) uint8, which augmentation moves.

    Args:
        dataset: without augmentation; guides are of the pictures as they are.
        what: for people.
        device: where to compute; the classifier stays there. None: where it is.
        precision: as Lightning names it; with "bf16-mixed" the classifier answers in bfloat16.
        show: say how far it is.
    """
    place = like(explanandum if device is None else explanandum.to(device))
    height, width = dataset.preprocessing.height, dataset.preprocessing.width
    longer = max(height, width)
    size = (max(1, round(SIZE * height / longer)), max(1, round(SIZE * width / longer)))
    made = [torch.zeros(0, *size, dtype=torch.uint8)] * len(dataset)
    labelled = dataset.labels.bool().any(1).nonzero().flatten().tolist()
    autocast = torch.autocast(place.device.type, torch.bfloat16, enabled=precision == "bf16-mixed")
    bar = Progress(what, len(labelled), unit="pictures", show=show)
    with bar, autocast, quick_depthwise(place.device):
        for start in range(0, len(labelled), TOGETHER):
            some = labelled[start : start + TOGETHER]
            batch = collate([dataset[index] for index in some])
            images = batch["image"].to(place).contiguous(memory_format=torch.channels_last)
            found = objective.guides(images, batch["labels"].to(place.device), explanandum, size).cpu()
            for index, own in zip(some, found.split(batch["labels"].bool().sum(1).tolist()), strict=True):
                made[index] = own.clone()
            bar.advance(len(some))
    return dataset.accompanied(made)
