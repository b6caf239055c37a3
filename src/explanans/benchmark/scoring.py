"""The one way from class masks to scores, for every method and every use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from explanans import metrics
from explanans.benchmark.class_scores import nothing_right, object_area
from explanans.benchmark.columns import BEST, COLUMNS, CURVE_THRESHOLDS, CURVES, MADE_FROM
from explanans.benchmark.known_pictures import Pictures
from explanans.benchmark.score_groups import STEPS, Asking, BatchScores
from explanans.errors import InputError
from explanans.ops.masking import merge

RANKED = ("insertion", "road")
"""Groups that see the order of a map's values only, and cost many forwards."""


@dataclass(frozen=True)
class Scores:
    """What N images scored.

    Attributes:
        values: by column, (N,) or for curves (N, k), float64; NaN where a group was not asked for.
        broken: (N,) bool: the mask of a label class, or a score made from it, was NaN.
    """

    values: dict[str, Tensor]
    broken: Tensor


def masks_of(maps: Tensor, normalisation: str) -> tuple[Tensor, list[str]]:
    """Raw maps → class masks by a named step, image by image where the step refuses one.

    Returns:
        masks (N, C, H, W), NaN for an image that was refused, and for each image why ("": it was not).
    """
    try:
        return metrics.normalise(maps, normalisation), [""] * len(maps)
    except InputError:
        masks, errors = torch.full_like(maps, torch.nan), [""] * len(maps)
        for row in range(len(maps)):
            try:
                masks[row] = metrics.normalise(maps[row : row + 1], normalisation)[0]
            except InputError as error:
                errors[row] = str(error)
        return masks, errors


class Scorer(Asking):
    """Scores of class masks, per image, for one classifier.

    Masks of the label classes are merged by pixelwise maximum into one target mask, which is compared with the union of
    the label classes in the segmentation (void left out) and put on the image, so that hidden pixels take the ``fill``.
    What is drawn (ROAD's noise) depends on ``seed`` and the image, so every method meets the same draws.

    An image with a NaN in the mask of one of its labels, or that is marked as failed, is asked nothing and gets every
    column's worst value; a score that is NaN nevertheless, as where the classifier answers NaN, becomes its worst
    value too.

    Its arguments are those of :class:`explanans.benchmark.score_groups.Asking`.
    """

    def __call__(
        self,
        pictures: Pictures,
        masks: Tensor,
        groups: Mapping[str, Tensor],
        *,
        threshold: float | None = None,
        failed: Tensor | None = None,
        earlier: Scores | None = None,
    ) -> Scores:
        """Score the masks (N, C, H, W) in [0, 1], or (N, K, H, W) of the pictures' ``columns``.

        Args:
            groups: by name which images (N,) bool are scored.
            threshold: where to cut for the scores at the best threshold, one of ``CURVE_THRESHOLDS``; None leaves them
                NaN. ``voc_miou`` and the boundary scores are cut there too, or at ½.
            failed: (N,) bool, images without a map.
            earlier: scores of the same maps under another normalisation. Stretching each class by itself leaves the
                order of the pixels of an image with one label as it is, so what depends on the order alone is taken
                from there for such images.
        """
        mask, _ = merge(masks, pictures.labels)
        broken = (masks.flatten(2).isnan().any(2) & pictures.labels).any(1)
        broken |= torch.zeros_like(broken) if failed is None else failed
        known = torch.zeros_like(broken)
        if earlier is not None:
            known = (pictures.labels.sum(1) == 1) & ~earlier.broken & ~broken
        if "specificity" in groups:
            # The masks of the other classes count there alone.
            unusable = groups["specificity"] & masks.flatten(1).isnan().any(1)
        else:
            unusable = torch.zeros_like(broken)
        work = BatchScores(self, pictures, mask, masks, threshold)
        values: dict[str, Tensor] = {}
        for group, chosen in groups.items():
            todo = chosen & ~broken
            reused = known & todo if group in RANKED else torch.zeros_like(todo)
            rows = (todo & ~reused).nonzero().flatten()
            computed = work.run(group, rows) if len(rows) else {}
            for name, width in self._columns(group).items():
                column = mask.new_full((len(mask), *width), torch.nan, dtype=torch.float64)
                if name in computed:
                    column[rows] = computed[name].to(column.dtype)
                if earlier is not None and name in earlier.values:
                    column[reused] = earlier.values[name][reused]
                values[name] = column
        scores = self._with_worst(values, groups, broken, pictures, threshold)
        return Scores(scores.values, scores.broken | unusable)

    def _with_worst(
        self,
        values: dict[str, Tensor],
        groups: Mapping[str, Tensor],
        broken: Tensor,
        pictures: Pictures,
        threshold: float | None,
    ) -> Scores:
        for group, chosen in groups.items():
            for name, width in self._columns(group).items():
                if name == "whole" and pictures.whole is not None:
                    values[name][chosen] = metrics.label_mean(pictures.whole, pictures.labels).to(torch.float64)[chosen]
                    continue
                if name == "object_area" and pictures.target is not None and pictures.valid is not None:
                    values[name][chosen] = object_area(pictures.target, pictures.valid)[chosen]
                    continue
                if threshold is None and name in BEST:
                    continue
                bad = chosen & values[name].flatten(1).isnan().any(1) if width else chosen & values[name].isnan()
                if name.startswith("voc_counts"):
                    missed = nothing_right(pictures.segmented(group)[bad], self.explanandum.num_classes)
                    values[name][bad] = missed.to(values[name])
                else:
                    values[name][bad] = self._worst(name).to(values[name])
                broken = broken | bad
        return Scores(values, broken)

    def _columns(self, group: str) -> dict[str, tuple[int, ...]]:
        """Names of a group's columns, each with the shape of one image's value."""
        classes = self.explanandum.num_classes
        names: dict[str, tuple[int, ...]] = {name: () for name, column in COLUMNS.items() if column.group == group}
        for name in MADE_FROM.keys() & names:
            del names[name]
            names[MADE_FROM[name]] = (classes**2,) if group == "specificity" else (2 * (classes + 1),)
        width = len(CURVE_THRESHOLDS) if group == "segmentation" else STEPS + 1
        return {**names, **{name: (width,) for name, (owner, _) in CURVES.items() if owner == group}}

    def _worst(self, name: str) -> Tensor:
        if name == "specificity":
            # Nothing of a class through its own mask, all of it through the others'.
            return 1 - torch.eye(self.explanandum.num_classes).flatten()
        return torch.tensor(CURVES[name][1] if name in CURVES else COLUMNS[name].worst)
