"""The result of a comparison: a row for each method, and what every image scored."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from explanans.benchmark.columns import COLUMNS as SCORES

SHOWN = ("accuracy_soft", "f1_soft", "iou_soft", "f1_mean", "iou_mean", "iou_50", "iou_best")

COLUMNS = {
    **{name: (SCORES[name].heading, SCORES[name].format) for name in SHOWN},
    "threshold": ("best t", "{:.2f}"),
    "saliency": (SCORES["saliency"].heading, SCORES["saliency"].format),
    "seconds_per_image": ("seconds per image ↓", "{:.3g}"),
    "nan_count": ("NaN", "{:d}"),
}
"""Of the table, with heading and format; ``per_image`` has more scores."""


@dataclass(frozen=True)
class MethodResult:
    """One method's row.

    Attributes:
        method: its name.
        normalisation: the step that made masks of its raw maps.
        per_image: for each score a value for each image, in the order of ``Evaluation.indices``.
        threshold: where the masks are cut for ``iou_best``, chosen on the other split; None without one.
        seconds_per_image: maps of all label classes of an image, on average.
        nan_count: images whose mask, or the classifier's answer to it, was NaN; they count with the worst value.
    """

    method: str
    normalisation: str
    per_image: dict[str, list[float]]
    threshold: float | None
    seconds_per_image: float
    nan_count: int

    @property
    def scores(self) -> dict[str, float]:
        """Mean over the images of every score."""
        return {name: math.fsum(values) / len(values) for name, values in self.per_image.items()}

    def row(self) -> dict[str, float | int | None]:
        """One value for each of ``COLUMNS``; None where there was no split to choose a threshold on."""
        scores = self.scores
        return {name: scores.get(name, getattr(self, name, None)) for name in COLUMNS}


@dataclass(frozen=True)
class Evaluation:
    """What :func:`explanans.benchmark.evaluate` found; methods in the order in which they were given.

    Attributes:
        rows: one for each method.
        indices: positions in the data set of the images that were used, the same for every method.
        without_label: positions of those that were left out because they have no label.
        fill: what hidden pixels became for the saliency metric.
        device: where the methods ran.
        batch_size: images per call of a method.
    """

    rows: tuple[MethodResult, ...]
    indices: tuple[int, ...]
    without_label: tuple[int, ...]
    fill: str
    device: str
    batch_size: int

    def __getitem__(self, method: str) -> MethodResult:
        return next(row for row in self.rows if row.method == method)

    def to_markdown(self) -> str:
        """A table with a row for each method and an arrow at each score: ↑ higher, ↓ lower is better."""
        lines = [
            "| method | normalisation | " + " | ".join(title for title, _ in COLUMNS.values()) + " |",
            "|---|---|" + "--:|" * len(COLUMNS),
        ]
        for result in self.rows:
            values = result.row()
            cells = ["–" if values[name] is None else form.format(values[name]) for name, (_, form) in COLUMNS.items()]
            lines.append(f"| {result.method} | {result.normalisation} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain data for JSON; means under ``scores`` beside the per-image values."""
        rows = [{**asdict(result), "scores": result.scores} for result in self.rows]
        return {**asdict(self), "rows": rows}
