"""Where a classifier's evidence lies on pictures that it has not learned from, by several methods."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, loader
from explanans.explanations.choice import method_that_fits
from explanans.methods import METHODS
from explanans.methods.base import pairs_of
from explanans.metrics import soft_iou
from explanans.metrics.pointing import energy_pointing_game
from explanans.metrics.shared.normalise import normalise
from explanans.metrics.shared.regions import class_regions
from explanans.training.guided_classification import Form, box_around
from explanans.training.held_out import spread
from explanans.utils.devices import like
from explanans.utils.progress import Progress

LOOKED_BY = ("grad_cam", "spread_cam", "guided_backprop")
"""Grad-CAM is all but what a training guides; Spread-CAM sharpens it; Guided Backpropagation is made otherwise."""


def localised(
    explanandum: Explanandum,
    dataset: LabelledImages,
    images: int,
    *,
    form: Form = "boxes",
    methods: Sequence[str] = LOOKED_BY,
    batch_size: int = 8,
    progress: bool = False,
) -> dict[str, dict[str, float]]:
    """By method: ``energy``, the mean share of a label's map in its region or the box around it, and ``iou``, the soft
    overlap of its mask with the region itself.

    Args:
        dataset: whose pictures have segmentations; ``images`` of them, evenly spaced.
        form: of the region in which energy is counted.
        methods: those that the classifier does not allow are left out.
    """
    with_regions = dataset.with_segmentation()
    some = with_regions.subset(spread(len(with_regions), images))
    found = {name: made for name in methods if (made := method_that_fits(name, {}, explanandum)) is not None}
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    place = like(explanandum.module)
    batches = loader(some, batch_size)
    with Progress("measuring where evidence lies", len(batches), unit="batches", show=progress) as bar:
        for batch in bar.over(batches):
            images_, labels = batch["image"].to(place), batch["labels"]
            target, valid = class_regions(batch["segmentation"], labels)
            here = target.any(2).any(1)
            if not here.any():
                continue
            for name, method in found.items():
                maps = pairs_of(method, images_, labels.bool().to(place.device)).float().cpu()[here]
                inside = box_around(target[here]) if form == "boxes" else target[here]
                energy = energy_pointing_game(maps, inside, valid[here])
                masks = normalise(maps[:, None], METHODS[name].normalisation)[:, 0]
                overlap = soft_iou(masks, target[here], valid[here])
                scores[name] += list(zip(energy.tolist(), overlap.tolist(), strict=True))
    return {
        name: {
            "energy": torch.tensor([energy for energy, _ in each]).mean().item(),
            "iou": torch.tensor([overlap for _, overlap in each]).mean().item(),
        }
        for name, each in scores.items()
        if each
    }
