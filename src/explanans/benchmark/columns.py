"""The scores of a benchmark: what each is called, which way is better, and what an image without a map gets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyarrow as pa

from explanans.metrics import FINE_THRESHOLDS, METRICS

CURVE_THRESHOLDS = FINE_THRESHOLDS
"""Where ``f1_curve`` and ``iou_curve`` have their points."""


@dataclass(frozen=True)
class Column:
    """One score.

    Attributes:
        title: what a table writes above it.
        higher_is_better: None where a number only describes.
        format: of a value, for ``str.format``.
        group: the entry of ``metrics`` in the settings that asks for it.
        worst: what an image counts with whose map failed or holds a NaN.
    """

    title: str
    higher_is_better: bool | None
    format: str
    group: str
    worst: float

    @property
    def heading(self) -> str:
        """The title with an arrow: ↑ higher, ↓ lower is better."""
        arrow = {True: " ↑", False: " ↓", None: ""}[self.higher_is_better]
        return self.title + arrow


def _of(metric: str, group: str, title: str = "", describes: bool = False) -> Column:
    """A column of one of :data:`explanans.metrics.METRICS`, which has title, direction and worst value."""
    entry = METRICS[metric]
    return Column(title or entry.title, None if describes else entry.higher_is_better, "{:.3f}", group, entry.worst)


COLUMNS: dict[str, Column] = {
    "class_iou_soft": _of("class_iou", "classes"),
    "class_iou_mean": _of("binarised_class_iou", "classes"),
    "class_iou_best": _of("binarised_class_iou", "classes", "IoU per class at best t"),
    "voc_miou": _of("voc_miou", "classes", "mIoU (VOC), labels known"),
    "voc_miou_predicted": _of("voc_miou", "predicted", "mIoU (VOC), labels predicted"),
    "accuracy_soft": _of("soft_accuracy", "segmentation"),
    "f1_soft": _of("soft_f1", "segmentation"),
    "iou_soft": _of("soft_iou", "segmentation"),
    "f1_mean": _of("binarised_f1", "segmentation"),
    "iou_mean": _of("binarised_iou", "segmentation"),
    "f1_25": _of("binarised_f1", "segmentation", "F1 at 0.25"),
    "f1_50": _of("binarised_f1", "segmentation", "F1 at 0.5"),
    "f1_75": _of("binarised_f1", "segmentation", "F1 at 0.75"),
    "iou_25": _of("binarised_iou", "segmentation", "IoU at 0.25"),
    "iou_50": _of("binarised_iou", "segmentation", "IoU at 0.5"),
    "iou_75": _of("binarised_iou", "segmentation", "IoU at 0.75"),
    "f1_best": _of("binarised_f1", "segmentation", "F1 at best t"),
    "iou_best": _of("binarised_iou", "segmentation", "IoU at best t"),
    "roc_auc": _of("roc_auc", "segmentation"),
    "average_precision": _of("average_precision", "segmentation"),
    "object_coverage": _of("object_coverage", "segmentation"),
    "background_coverage": _of("background_coverage", "segmentation"),
    "pointing": _of("pointing_game", "segmentation"),
    "energy_pointing": _of("energy_pointing_game", "segmentation"),
    # It only describes, but what shows nothing explains nothing: the whole image.
    "area": _of("mask_area", "segmentation", describes=True),
    # The same for every method, whatever became of its map.
    "object_area": Column("area of the objects", None, "{:.3f}", "segmentation", math.nan),
    "boundary_iou": _of("boundary_iou", "boundary"),
    "boundary_f1_1": _of("boundary_f1", "boundary", "boundary F1, 1 %"),
    "boundary_f1_2": _of("boundary_f1", "boundary", "boundary F1, 2 %"),
    "saliency": _of("saliency_metric", "saliency"),
    "whole": Column("probability, whole", None, "{:.3f}", "kept", math.nan),
    "kept": _of("kept_probability", "kept"),
    "removed": _of("removed_probability", "kept"),
    "average_drop": _of("average_drop", "kept"),
    "average_increase": _of("average_increase", "kept"),
    "average_drop_50": _of("average_drop", "top_area", "average drop, 50 % of the area"),
    "average_drop_15": _of("average_drop", "top_area", "average drop, 15 % of the area"),
    "average_increase_50": _of("average_increase", "top_area", "average increase, 50 % of the area"),
    "average_increase_15": _of("average_increase", "top_area", "average increase, 15 % of the area"),
    "insertion": _of("insertion", "insertion"),
    "deletion": _of("deletion", "insertion"),
    "road": _of("road", "road"),
    "specificity_gap": _of("class_specificity", "specificity"),
    "grid_pointing": _of("grid_pointing", "grid"),
    "max_sensitivity": _of("max_sensitivity", "sensitivity"),
}
"""By the names of the columns in the files, but for those of :data:`MADE_FROM`."""

MADE_FROM = {"specificity_gap": "specificity", "voc_miou": "voc_counts", "voc_miou_predicted": "voc_counts_predicted"}
"""Scores of a whole data set: made, when they are read, from lists that every image has."""

BEST = ("f1_best", "iou_best", "class_iou_best")
"""Columns that only a chosen threshold fills."""

CURVES: dict[str, tuple[str, float]] = {
    "f1_curve": ("segmentation", 0.0),
    "iou_curve": ("segmentation", 0.0),
    "insertion_curve": ("insertion", 0.0),
    "deletion_curve": ("insertion", 1.0),
}
"""Columns that hold a list for each image: their group, and the values of an image without a map."""

GROUPS = (*dict.fromkeys(column.group for column in COLUMNS.values()), "sanity")
"""What ``metrics`` in the settings can name."""

SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("index", pa.int32()),
        ("labels", pa.list_(pa.string())),
        ("normalisation", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
        *((name, pa.float64()) for name in COLUMNS if name not in MADE_FROM),
        *((name, pa.list_(pa.float64())) for name in (*CURVES, *MADE_FROM.values())),
    ]
)
"""Of the rows, one for each image and normalisation; a score that was not asked for is null."""
