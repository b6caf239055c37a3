"""Images of a batch with what scores compare masks with: labels, segmentations, answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from explanans.benchmark.calling import Called
from explanans.errors import InputError


@dataclass(frozen=True)
class Pictures:
    """Images of a batch and what is known of them.

    Attributes:
        images: (N, 3, H, W), normalised.
        labels: (N, C) bool; every image has one.
        target, valid: (N, H, W) bool, from :func:`explanans.metrics.label_region`; None without segmentations.
        whole: (N, C) the classifier's probabilities on the whole images; None where no score needs them.
        indices: N positions in the data set, which decide what is drawn.
        segmentation: (N, H, W) of all classes that ``target`` and ``valid`` come from; None without.
        columns: (K,), the classes that ``labels`` and ``whole`` are of; None for all.
        every: where there are ``columns``, the probabilities of all classes.
    """

    images: Tensor
    labels: Tensor
    target: Tensor | None
    valid: Tensor | None
    whole: Tensor | None
    indices: Sequence[int]
    segmentation: Tensor | None = None
    columns: Tensor | None = None
    every: Tensor | None = None

    def of(self, called: Called) -> Pictures:
        """The same, of the classes that maps are of."""
        if called.columns is None:
            return self
        whole = None if self.whole is None else called.of(self.whole)
        return replace(self, labels=called.of(self.labels), whole=whole, columns=called.columns, every=self.whole)

    def at(self, rows: Tensor) -> Pictures:
        """These of them."""
        target = None if self.target is None else self.target[rows]
        valid = None if self.valid is None else self.valid[rows]
        whole = None if self.whole is None else self.whole[rows]
        segmentation = None if self.segmentation is None else self.segmentation[rows]
        indices = [self.indices[row] for row in rows.tolist()]
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            target=target,
            valid=valid,
            whole=whole,
            indices=indices,
            segmentation=segmentation,
            every=None if self.every is None else self.every[rows],
        )

    def answers(self, group: str) -> Tensor:
        """The answers on whole images, for a group of scores that compares with them."""
        if self.whole is None:
            raise InputError(f"pictures.whole is None; {group!r} compares with the probabilities on the whole images.")
        return self.whole

    def segmented(self, group: str) -> Tensor:
        """The segmentation; InputError where the data have none and the group of scores compares with it."""
        if self.segmentation is None:
            raise InputError(f"metrics: {group!r} compares with segmentations, which the data do not have.")
        return self.segmentation
