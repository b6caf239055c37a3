"""A classifier, by its labels and by where its evidence should lie."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from explanans.data import Batch
from explanans.data.index_maps import VOID
from explanans.objectives.localisation import LocalisationLoss
from explanans.objectives.localisation.evidence import Evidence
from explanans.training.classification import ClassifierTraining

Form = Literal["masks", "boxes"]
Side = Literal["inside", "outside"]


def box_around(regions: Tensor) -> Tensor:
    """The smallest upright box around each region, bool (P, H, W) → bool (P, H, W); nothing around nothing."""
    rows, columns = regions.any(2), regions.any(1)
    spans = [flags.cummax(1).values & flags.flip(1).cummax(1).values.flip(1) for flags in (rows.int(), columns.int())]
    return spans[0].bool()[:, :, None] & spans[1].bool()[:, None]


class GuidedTraining(ClassifierTraining):
    """L = L_class + λ · mean L_loc, over the batch's pictures that have a region of one of their labels.

    One such class is drawn for each picture and step. L_loc compares the evidence of that class, at every layer that is
    named (the mean over layers), with its region, shrunk to the layer's positions by averaging.

    Args:
        evidence: of the layers that are guided.
        loss: of :data:`explanans.objectives.localisation.LOSSES`.
        weight: λ.
        form: regions as they are, or the box around each.
        side: evidence should lie inside of the regions, or outside of them.
        annotated: positions in the data set of the pictures whose regions may be looked at.
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
        **settings: Any,
    ) -> None:
        super().__init__(module, **settings)
        self.evidence, self.loss, self.weight = evidence, loss, weight
        self.form: Form = form
        self.side: Side = side
        self.annotated = frozenset(annotated)
        self._batch: Batch | None = None

    def training_step(self, batch: Batch, index: int) -> Tensor:
        self._batch = batch
        try:
            return super().training_step(batch, index)
        finally:
            self._batch = None

    def answer(self, network: nn.Module, images: Tensor) -> Any:
        if self._batch is None:
            return super().answer(network, images)
        with self.evidence.watched(network, images) as watched:
            return super().answer(network, watched)

    def terms(
        self, logits: Any, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator
    ) -> dict[str, Tensor]:
        terms = dict(super().terms(logits, images, labels, progress, generator))
        if self._batch is not None:
            terms["localisation"] = self.weight * self._located(logits, self._batch, generator)
        return terms

    def _located(self, logits: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
        segmentation, labels = batch["segmentation"], batch["labels"].bool()
        known = torch.tensor([place in self.annotated for place in batch["index"].tolist()], device=labels.device)
        counts = functional.one_hot(segmentation.flatten(1).long(), VOID + 1).sum(1)[:, 1 : labels.shape[1] + 1]
        possible = labels & (counts > 0) & known[:, None]
        rows = possible.any(1).nonzero()[:, 0]
        if not len(rows):
            return logits.new_zeros(())
        columns = torch.multinomial(possible[rows].float(), 1, generator=generator)[:, 0]
        own = segmentation[rows]
        regions = own == (columns + 1).to(torch.uint8)[:, None, None]
        regions = box_around(regions) if self.form == "boxes" else regions
        valid = own != VOID
        regions = (regions if self.side == "inside" else ~regions) & valid
        losses = []
        for evidence in self.evidence.of(logits, rows, columns):
            region, counted = (
                functional.adaptive_avg_pool2d(each.to(evidence)[:, None], (evidence.shape[1], evidence.shape[2]))[:, 0]
                for each in (regions, valid)
            )
            losses.append(self.loss(evidence, region, counted).mean())
        return torch.stack(losses).mean()
