"""The scores of a benchmark: what each is called, which way is better, and what an image without a map gets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyarrow as pa

from explanans.metrics import FINE_THRESHOLDS
from explanans.metrics.saliency import MIN_PROBABILITY
from explanans.metrics.sensitivity import LIMIT

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


def _share(title: str, group: str, higher_is_better: bool = True) -> Column:
    return Column(title, higher_is_better, "{:.3f}", group, 0.0 if higher_is_better else 1.0)


COLUMNS: dict[str, Column] = {
    "accuracy_soft": _share("accuracy (soft)", "segmentation"),
    "f1_soft": _share("F1 (soft)", "segmentation"),
    "iou_soft": _share("IoU (soft)", "segmentation"),
    "f1_mean": _share("F1 (0.1…0.9)", "segmentation"),
    "iou_mean": _share("IoU (0.1…0.9)", "segmentation"),
    "f1_25": _share("F1 at 0.25", "segmentation"),
    "f1_50": _share("F1 at 0.5", "segmentation"),
    "f1_75": _share("F1 at 0.75", "segmentation"),
    "iou_25": _share("IoU at 0.25", "segmentation"),
    "iou_50": _share("IoU at 0.5", "segmentation"),
    "iou_75": _share("IoU at 0.75", "segmentation"),
    "f1_best": _share("F1 at best t", "segmentation"),
    "iou_best": _share("IoU at best t", "segmentation"),
    "roc_auc": _share("ROC-AUC", "segmentation"),
    "average_precision": _share("average precision", "segmentation"),
    "object_coverage": _share("object covered", "segmentation"),
    "background_coverage": _share("background covered", "segmentation", higher_is_better=False),
    "pointing": _share("pointing game", "segmentation"),
    "energy_pointing": _share("energy-based pointing game", "segmentation"),
    # It only describes, but what shows nothing explains nothing: the whole image.
    "area": Column("area", None, "{:.3f}", "segmentation", 1.0),
    "saliency": Column("saliency metric", False, "{:.3f}", "saliency", -math.log(MIN_PROBABILITY)),
    # The same for every method, whatever became of its map.
    "whole": Column("probability, whole", None, "{:.3f}", "kept", math.nan),
    "kept": _share("probability, kept", "kept"),
    "removed": _share("probability, removed", "kept", higher_is_better=False),
    "average_drop": _share("average drop", "kept", higher_is_better=False),
    "average_increase": _share("average increase", "kept"),
    "insertion": _share("insertion AUC", "insertion"),
    "deletion": _share("deletion AUC", "insertion", higher_is_better=False),
    "road": Column("ROAD", True, "{:.3f}", "road", -0.5),
    "specificity_gap": Column("class specificity", True, "{:.3f}", "specificity", -1.0),
    "max_sensitivity": Column("max-sensitivity", False, "{:.3f}", "sensitivity", LIMIT),
}
"""By the names of the columns in the files; ``specificity_gap`` alone is made from ``specificity`` when it is read."""

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
        *((name, pa.float64()) for name in COLUMNS if name != "specificity_gap"),
        *((name, pa.list_(pa.float64())) for name in CURVES),
        ("specificity", pa.list_(pa.float64())),
    ]
)
"""Of the rows, one for each image and normalisation; a score that was not asked for is null."""
