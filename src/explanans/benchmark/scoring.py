"""The one way from class masks to scores, for every method and every use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from explanans import metrics
from explanans.benchmark.calling import Called, seed_of
from explanans.benchmark.class_scores import (
    boundary_scores,
    class_scores,
    named_classes,
    nothing_right,
    object_area,
    voc_counts,
)
from explanans.benchmark.columns import BEST, COLUMNS, CURVE_THRESHOLDS, CURVES, MADE_FROM
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.metrics.top_area import SHARES
from explanans.ops.masking import apply_mask, make_fill, merge

STEPS = 16
"""Of the insertion and deletion curves."""

RANKED = ("insertion", "road")
"""Groups that see the order of a map's values only, and cost many forwards."""


@dataclass(frozen=True)
class Pictures:
    """Images of a batch and what is known of them.

    Attributes:
        images: (N, 3, H, W), normalised.
        labels: (N, C) bool; every image has one.
        target, valid: (N, H, W) bool, from :func:`explanans.metrics.label_region`; None without segmentations.
        whole: (N, C) the classifier's probabilities on the whole images; None where no score needs them.
        indices: N positions in the data set, which decide what is drawn.
        segmentation: (N, H, W) uint8 that ``target`` and ``valid`` come from; None without.
        columns: (K,), the classes that ``labels`` and ``whole`` are of; None for all.
    """

    images: Tensor
    labels: Tensor
    target: Tensor | None
    valid: Tensor | None
    whole: Tensor | None
    indices: Sequence[int]
    segmentation: Tensor | None = None
    columns: Tensor | None = None

    def of(self, called: Called) -> Pictures:
        """The same, of the classes that maps are of."""
        if called.columns is None:
            return self
        whole = None if self.whole is None else called.of(self.whole)
        return replace(self, labels=called.of(self.labels), whole=whole, columns=called.columns)

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


class Scorer:
    """Scores of class masks, per image, for one classifier.

    Masks of the label classes are merged by pixelwise maximum into one target mask, which is compared with the union of
    the label classes in the segmentation (void left out) and put on the image, so that hidden pixels take the ``fill``.
    What is drawn (ROAD's noise) depends on ``seed`` and the image, so every method meets the same draws.

    An image with a NaN in the mask of one of its labels, or that is marked as failed, is asked nothing and gets every
    column's worst value; a score that is NaN nevertheless, as where the classifier answers NaN, becomes its worst
    value too.

    Args:
        explanandum: the classifier.
        fill: what hidden pixels become, see :func:`explanans.ops.masking.make_fill`.
        batch_size: masked images per forward pass of the classifier.
        seed: of what is drawn.
        background: positions of classes that are background in the segmentations.
    """

    def __init__(
        self,
        explanandum: Explanandum,
        *,
        fill: str = "mean",
        batch_size: int = 64,
        seed: int = 0,
        background: Sequence[int] = (),
    ) -> None:
        self.explanandum = explanandum
        self.fill = make_fill(fill, explanandum.preprocessing)
        self.batch_size = batch_size
        self.seed = seed
        self.background = background

    def named(self, pictures: Pictures) -> Tensor:
        """The classes (N, C) bool that the classifier names in the whole images; none that is background."""
        return named_classes(pictures.answers("predicted"), self.explanandum.activation, self.background)

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
        work = _Work(self, pictures, mask, masks, threshold)
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


class _Work:
    """The groups of scores of one batch; answers that several need are asked for once."""

    def __init__(
        self, scorer: Scorer, pictures: Pictures, mask: Tensor, masks: Tensor, threshold: float | None
    ) -> None:
        self.scorer = scorer
        self.pictures = pictures
        self.mask = mask
        self.masks = masks
        self.threshold = threshold
        # What the mask keeps is asked by two groups.
        self.kept = mask.new_full((len(mask), pictures.labels.shape[1]), torch.nan, dtype=torch.float32)
        self.answered = torch.zeros(len(mask), dtype=torch.bool, device=mask.device)

    def run(self, group: str, rows: Tensor) -> dict[str, Tensor]:
        work: dict[str, Callable[[Tensor], dict[str, Tensor]]] = {
            "classes": self.classes,
            "predicted": self.predicted,
            "segmentation": self.segmentation,
            "boundary": self.boundary,
            "top_area": self.top_area,
            "kept": self.kept_and_removed,
            "saliency": self.saliency,
            "insertion": self.insertion,
            "road": self.road,
            "specificity": self.specificity,
        }
        return work[group](rows)

    def classify(self, images: Tensor) -> Tensor:
        probabilities = self.scorer.explanandum.probabilities(images)
        return probabilities if self.pictures.columns is None else probabilities[:, self.pictures.columns]

    def softmax(self, images: Tensor) -> Tensor:
        return self.scorer.explanandum(images).float().softmax(1)

    def background(self, pictures: Pictures) -> Tensor:
        # One at a time and seeded anew, so that a score does not depend on who stands beside an image.
        seeds = [seed_of(self.scorer.seed, "fill", index) for index in pictures.indices]
        generator = torch.Generator(pictures.images.device)
        drawn = [
            self.scorer.fill(image, generator.manual_seed(seed))
            for image, seed in zip(pictures.images.split(1), seeds, strict=True)
        ]
        return torch.cat(drawn)

    def classes(self, rows: Tensor) -> dict[str, Tensor]:
        pictures, masks = self.pictures.at(rows), self.masks[rows]
        segmentation = pictures.segmented("classes")
        return class_scores(masks, segmentation, pictures.labels, CURVE_THRESHOLDS, self.threshold)

    def predicted(self, rows: Tensor) -> dict[str, Tensor]:
        pictures = self.pictures.at(rows)
        segmentation = pictures.segmented("predicted")
        counts = voc_counts(self.masks[rows], segmentation, self.scorer.named(pictures), self.threshold)
        return {"voc_counts_predicted": counts}

    def boundary(self, rows: Tensor) -> dict[str, Tensor]:
        pictures = self.pictures.at(rows)
        pictures.segmented("boundary")
        assert pictures.target is not None
        return boundary_scores(self.mask[rows], pictures.target, pictures.valid, self.threshold)

    def top_area(self, rows: Tensor) -> dict[str, Tensor]:
        pictures = self.pictures.at(rows)
        whole, background = pictures.answers("top_area"), self.background(pictures)
        kept = metrics.kept_top(
            self.classify, pictures.images, self.mask[rows], background, batch_size=self.scorer.batch_size
        )
        return {
            f"{name}_{round(100 * share)}": metrics.label_mean(score(whole, part), pictures.labels)
            for name, score in (("average_drop", metrics.average_drop), ("average_increase", metrics.average_increase))
            for share, part in zip(SHARES, kept.unbind(1), strict=True)
        }

    def segmentation(self, rows: Tensor) -> dict[str, Tensor]:
        pictures, mask = self.pictures.at(rows), self.mask[rows]
        target, valid = pictures.target, pictures.valid
        if target is None:
            raise InputError("metrics: 'segmentation' compares with segmentations, which the data do not have.")
        soft = metrics.soft_overlap(mask, target, valid)
        binary = metrics.binarised_overlap(mask, target, valid, CURVE_THRESHOLDS)
        f1, iou = binary.f1(), binary.iou()
        paper = [CURVE_THRESHOLDS.index(t) for t in metrics.PAPER_THRESHOLDS]
        scores = {
            "accuracy_soft": soft.accuracy(),
            "f1_soft": soft.f1(),
            "iou_soft": soft.iou(),
            "f1_mean": f1[:, paper].mean(1),
            "iou_mean": iou[:, paper].mean(1),
            "f1_curve": f1,
            "iou_curve": iou,
            "roc_auc": metrics.roc_auc(mask, target, valid),
            "average_precision": metrics.average_precision(mask, target, valid),
            "object_coverage": metrics.object_coverage(mask, target, valid),
            "background_coverage": metrics.background_coverage(mask, target, valid),
            "pointing": metrics.pointing_game(mask, target, valid),
            "energy_pointing": metrics.energy_pointing_game(mask, target, valid),
            "area": metrics.mask_area(mask, valid),
        }
        for percent in (25, 50, 75):
            place = CURVE_THRESHOLDS.index(percent / 100)
            scores[f"f1_{percent}"], scores[f"iou_{percent}"] = f1[:, place], iou[:, place]
        if self.threshold is not None:
            place = CURVE_THRESHOLDS.index(self.threshold)
            scores["f1_best"], scores["iou_best"] = f1[:, place], iou[:, place]
        return scores

    def kept_and_removed(self, rows: Tensor) -> dict[str, Tensor]:
        pictures = self.pictures.at(rows)
        whole, labels = pictures.answers("kept"), pictures.labels
        kept, removed = metrics.kept_removed(
            self.classify, pictures.images, self.mask[rows], self.background(pictures), self.scorer.batch_size
        )
        self.kept[rows], self.answered[rows] = kept.float(), True
        each = {
            "kept": kept,
            "removed": removed,
            "average_drop": metrics.average_drop(whole, kept),
            "average_increase": metrics.average_increase(whole, kept),
        }
        return {name: metrics.label_mean(values, labels) for name, values in each.items()}

    def saliency(self, rows: Tensor) -> dict[str, Tensor]:
        unasked = rows[~self.answered[rows]]
        # An empty tensor is split into one empty part.
        for part in unasked.split(self.scorer.batch_size) if len(unasked) else ():
            pictures = self.pictures.at(part)
            masked = apply_mask(pictures.images, self.mask[part], self.background(pictures))
            self.kept[part] = self.classify(masked)
        values = metrics.saliency_metric(self.mask[rows], self.kept[rows], self.pictures.labels[rows])
        unknown = (self.kept[rows].isnan() & self.pictures.labels[rows]).any(1)
        return {"saliency": values.masked_fill(unknown, torch.nan)}

    def insertion(self, rows: Tensor) -> dict[str, Tensor]:
        pictures = self.pictures.at(rows)
        arguments = (self.classify, pictures.images, self.mask[rows], pictures.labels, self.background(pictures))
        curves = {
            name: function(*arguments, steps=STEPS, batch_size=self.scorer.batch_size)
            for name, function in (("insertion", metrics.insertion), ("deletion", metrics.deletion))
        }
        areas = {name: metrics.curve_auc(curve) for name, curve in curves.items()}
        return {**areas, **{f"{name}_curve": curve for name, curve in curves.items()}}

    def road(self, rows: Tensor) -> dict[str, Tensor]:
        pictures = self.pictures.at(rows)
        generator = torch.Generator(pictures.images.device)
        values = [
            metrics.road(
                self.classify,
                pictures.images[n : n + 1],
                self.mask[row : row + 1],
                pictures.labels[n : n + 1],
                batch_size=self.scorer.batch_size,
                generator=generator.manual_seed(seed_of(self.scorer.seed, "road", pictures.indices[n])),
            )
            for n, row in enumerate(rows.tolist())
        ]
        return {"road": torch.cat(values)}

    def specificity(self, rows: Tensor) -> dict[str, Tensor]:
        pictures = self.pictures.at(rows)
        values = metrics.class_specificity(
            self.softmax,
            pictures.images,
            self.masks[rows],
            self.background(pictures),
            batch_size=self.scorer.batch_size,
        )
        return {"specificity": values.flatten(1)}
