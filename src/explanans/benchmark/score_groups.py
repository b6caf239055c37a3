"""The groups of scores that a benchmark asks for, each from the masks of one batch and what the classifier answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from explanans import metrics
from explanans.benchmark.calling import seed_of
from explanans.benchmark.class_scores import boundary_scores, class_scores, named_classes, voc_counts
from explanans.benchmark.columns import CURVE_THRESHOLDS
from explanans.benchmark.known_pictures import Pictures
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.metrics.top_area import SHARES
from explanans.ops.masking import apply_mask, make_fill

STEPS = 16
"""Of the insertion and deletion curves."""


class Asking:
    """How one classifier is asked about masked images.

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
        answers = pictures.answers("predicted") if pictures.every is None else pictures.every
        named = named_classes(answers, self.explanandum.activation, self.background)
        return named if pictures.columns is None else named[:, pictures.columns]


class BatchScores:
    """The groups of scores of one batch; answers that several need are asked for once."""

    def __init__(
        self, asking: Asking, pictures: Pictures, mask: Tensor, masks: Tensor, threshold: float | None
    ) -> None:
        self.asking = asking
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
        probabilities = self.asking.explanandum.probabilities(images)
        return probabilities if self.pictures.columns is None else probabilities[:, self.pictures.columns]

    def softmax(self, images: Tensor) -> Tensor:
        return self.asking.explanandum(images).float().softmax(1)

    def background(self, pictures: Pictures) -> Tensor:
        # One at a time and seeded anew, so that a score does not depend on who stands beside an image.
        seeds = [seed_of(self.asking.seed, "fill", index) for index in pictures.indices]
        generator = torch.Generator(pictures.images.device)
        drawn = [
            self.asking.fill(image, generator.manual_seed(seed))
            for image, seed in zip(pictures.images.split(1), seeds, strict=True)
        ]
        return torch.cat(drawn)

    def classes(self, rows: Tensor) -> dict[str, Tensor]:
        pictures, masks = self.pictures.at(rows), self.masks[rows]
        segmentation, classes = pictures.segmented("classes"), self.asking.explanandum.num_classes
        return class_scores(
            masks, segmentation, pictures.labels, CURVE_THRESHOLDS, self.threshold, pictures.columns, classes
        )

    def predicted(self, rows: Tensor) -> dict[str, Tensor]:
        pictures = self.pictures.at(rows)
        segmentation, classes = pictures.segmented("predicted"), self.asking.explanandum.num_classes
        named = self.asking.named(pictures)
        counts = voc_counts(self.masks[rows], segmentation, named, self.threshold, pictures.columns, classes)
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
            self.classify, pictures.images, self.mask[rows], background, batch_size=self.asking.batch_size
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
            self.classify, pictures.images, self.mask[rows], self.background(pictures), self.asking.batch_size
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
        for part in unasked.split(self.asking.batch_size) if len(unasked) else ():
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
            name: function(*arguments, steps=STEPS, batch_size=self.asking.batch_size)
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
                batch_size=self.asking.batch_size,
                generator=generator.manual_seed(seed_of(self.asking.seed, "road", pictures.indices[n])),
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
            batch_size=self.asking.batch_size,
        )
        return {"specificity": values.flatten(1)}
