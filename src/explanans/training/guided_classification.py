"""A classifier, by its labels and by where its evidence should lie."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans.data import Batch
from explanans.errors import InputError
from explanans.images.segmentations import not_void
from explanans.objectives.base import classification_loss
from explanans.objectives.localisation import LOSSES, LocalisationLoss
from explanans.objectives.localisation.evidence import Evidence
from explanans.training.annotated import classes_there
from explanans.training.classification import ClassifierTraining
from explanans.training.swapped_regions import swap_regions
from explanans.utils.numbers import check_count, check_number

Form = Literal["masks", "boxes"]
Side = Literal["inside", "outside"]
SIDES = ("inside", "outside")
INSIDE_ONLY = ("l1", "ppce")
"""Losses that ask for evidence everywhere in a region: outside of one nothing of the kind is wanted."""


def box_around(regions: Tensor) -> Tensor:
    """The smallest upright box around each region, bool (P, H, W) → bool (P, H, W); nothing around nothing."""
    rows, columns = regions.any(2), regions.any(1)
    spans = [flags.cummax(1).values & flags.flip(1).cummax(1).values.flip(1) for flags in (rows.int(), columns.int())]
    return spans[0].bool()[:, :, None] & spans[1].bool()[:, None]


class GuidedTraining(ClassifierTraining):
    """L = L_class + λ · mean L_loc + μ · mean L_own.

    L_loc is of the batch's pictures that have a region of one of their labels: one such class is drawn for each picture
    and step, and its evidence, at every layer that is named (the mean over layers), is compared with its region, shrunk
    to the layer's positions by averaging. L_own is the same loss of the pictures that are not annotated, of a class
    that they are labelled with and with the positions where its evidence is at least half of its largest as a region.

    Args:
        evidence: of the layers that are guided.
        loss: of :data:`explanans.objectives.localisation.LOSSES`.
        weight: λ.
        sharpened: μ.
        form: regions as they are, or the box around each.
        side: evidence should lie inside of the regions, or outside of them.
        annotated: positions in the data set of the pictures whose regions may be looked at.
        swapped: share of these whose regions trade places with the same part of a picture without one.
        weights: of each picture's and class's part in L_class, (pictures, C), see
            :func:`explanans.training.balancing.balance_weights`; None: 1.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        evidence: Evidence,
        loss: LocalisationLoss,
        weight: float,
        form: Form,
        side: Side,
        annotated: Collection[int],
        sharpened: float = 0.0,
        swapped: float = 0.0,
        weights: Tensor | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(module, **settings)
        self.evidence, self.loss, self.weight, self.sharpened = evidence, loss, weight, sharpened
        self.form: Form = form
        self.side: Side = side
        self.annotated = frozenset(annotated)
        self.swapped, self.weights = swapped, weights
        self._batch: Batch | None = None

    def training_step(self, batch: Batch, index: int) -> Tensor:
        self._batch = batch
        try:
            return super().training_step(batch, index)
        finally:
            self._batch = None

    def changed(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if self.swapped and self._batch is not None:
            images = swap_regions(images, self._regions(self._batch), self.swapped, generator)
        return super().changed(images, labels, generator)

    def answer(self, network: nn.Module, images: Tensor) -> Any:
        if self._batch is None or not (self.weight or self.sharpened):
            return super().answer(network, images)
        with self.evidence.watched(network, images) as watched:
            return super().answer(network, watched)

    def terms(
        self, logits: Any, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        if self._batch is None:
            return dict(super().terms(logits, images, labels, progress, generator))
        weights = torch.ones_like(labels)
        if self.weights is not None:
            # Blank pictures come after those of the batch.
            weights[: len(self._batch["index"])] = self.weights[self._batch["index"].cpu()].to(labels)
        terms = {"loss": classification_loss(logits, labels, self.activation, weights)}
        if self.weight:
            terms["localisation"] = self.weight * self._located(logits, self._batch, generator)
        if self.sharpened:
            terms["sharpened"] = self.sharpened * self._own(logits, self._batch, generator)
        return terms

    def _regions(self, batch: Batch) -> Tensor:
        """Where some class's regions lie, bool (N, H, W), of the pictures that are annotated."""
        segmentation = batch["segmentation"]
        known = self._known(batch).to(segmentation.device)
        return (segmentation > 0) & not_void(segmentation) & known[:, None, None]

    def _known(self, batch: Batch) -> Tensor:
        return torch.tensor([place in self.annotated for place in batch["index"].tolist()])

    def _own(self, logits: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
        labels = batch["labels"].bool()
        rows = (labels.any(1) & ~self._known(batch).to(labels.device)).nonzero()[:, 0]
        if not len(rows):
            return logits.new_zeros(())
        columns = torch.multinomial(labels[rows].float(), 1, generator=generator)[:, 0]
        losses = []
        for evidence in self.evidence.of(logits, rows, columns):
            seen = evidence.detach()
            region = seen >= seen.amax((1, 2), keepdim=True).clamp(min=0) / 2
            losses.append(self.loss(evidence, region.to(evidence), torch.ones_like(evidence)).mean())
        return torch.stack(losses).mean()

    def _located(self, logits: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
        segmentation, labels = batch["segmentation"], batch["labels"].bool()
        known = self._known(batch).to(labels.device)
        possible = labels & classes_there(segmentation, self.num_classes) & known[:, None]
        rows = possible.any(1).nonzero()[:, 0]
        if not len(rows):
            return logits.new_zeros(())
        columns = torch.multinomial(possible[rows].float(), 1, generator=generator)[:, 0]
        own = segmentation[rows]
        regions = own == (columns + 1)[:, None, None].to(own.dtype)
        regions = box_around(regions) if self.form == "boxes" else regions
        valid = not_void(own)
        regions = (regions if self.side == "inside" else ~regions) & valid
        losses = []
        for evidence in self.evidence.of(logits, rows, columns):
            region, counted = (
                functional.adaptive_avg_pool2d(each.to(evidence)[:, None], (evidence.shape[1], evidence.shape[2]))[:, 0]
                for each in (regions, valid)
            )
            losses.append(self.loss(evidence, region, counted).mean())
        return torch.stack(losses).mean()


def check_guidance(
    loss: str,
    weight: float,
    regions: str,
    evidence: str,
    share: float,
    sharpened: float,
    swapped: float,
    looked_at: int,
) -> None:
    """Refuse settings that mean nothing."""
    if loss not in LOSSES:
        raise InputError(f"loss={loss!r}; take one of {', '.join(LOSSES)}.")
    if regions not in ("boxes", "masks"):
        raise InputError(f"regions={regions!r}; take 'boxes' or 'masks'.")
    if evidence not in SIDES:
        raise InputError(f"evidence={evidence!r}; take 'inside' or 'outside'.")
    if evidence == "outside" and loss in INSIDE_ONLY:
        raise InputError(
            f"loss={loss!r} asks for evidence everywhere in a region, which means nothing with evidence='outside'; "
            "take 'energy', 'firm_energy' or 'rrr'."
        )
    check_number("weight", weight)
    check_number("share", share, 0, 1, above=True)
    if check_number("sharpened", sharpened) and evidence == "outside":
        raise InputError("sharpened with evidence='outside' would sharpen a suspect too; give evidence='inside'.")
    check_count("looked_at", looked_at, 0)
    if check_number("swapped", swapped, 0, 1) and evidence == "inside":
        raise InputError("swapped with evidence='inside' puts objects into other pictures; give evidence='outside'.")
