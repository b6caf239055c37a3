"""Class by class: how often it is seen, right and wrong, where its evidence lies, and what the receipts say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explanans.audit.geometry import GRID
from explanans.audit.looked import grids

MEANS = ("probability", "kept", "removed", "elsewhere", "area", "score", "inside", "border", "outside")


@dataclass(frozen=True)
class ClassSummary:
    """What was found of a class.

    Attributes:
        name: of the class.
        labelled: photos with this label; None where labels are unknown.
        seen: photos in which the classifier sees it.
        right, wrong, missed: seen and labelled, seen and not labelled, labelled and not seen; None likewise.
        means: over the photos in which it is seen, by name (see :data:`MEANS`); None where nothing is known.
        words: how many of its masks have which word; "shared with CLASS" counts as "shared".
        mean_mask: (16, 16), share of the masks that keep a cell; None for a class that is never seen.
        located: masks of which it is known whether they lie in the object.
    """

    name: str
    labelled: int | None
    seen: int
    right: int | None
    wrong: int | None
    missed: int | None
    means: dict[str, float | None]
    words: dict[str, int]
    mean_mask: list[list[float]] | None
    located: int

    @property
    def holding(self) -> float | None:
        """Share of its masks that hold."""
        return self.words.get("holds", 0) / self.seen if self.seen else None


class _Sums:
    """What is added up of a class."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missed = self.seen = 0
        self.mask: NDArray[np.float64] = np.zeros((GRID, GRID))
        self.values = dict.fromkeys(MEANS, 0.0)
        self.counts = dict.fromkeys(MEANS, 0)
        self.words: Counter[str] = Counter()

    def add(self, rows: pa.Table) -> None:
        seen = rows.filter(rows["seen"])
        labelled = np.array(seen["labelled"].to_pylist(), dtype=object)
        self.right += int((labelled == True).sum())  # noqa: E712 - None is neither
        self.wrong += int((labelled == False).sum())  # noqa: E712
        self.missed += len(rows) - len(seen)
        self.seen += len(seen)
        self.mask += grids(seen).sum(0, dtype=np.float64) if len(seen) else 0
        for name in MEANS:
            self.values[name] += pc.sum(seen[name]).as_py() or 0.0
            self.counts[name] += pc.count(seen[name]).as_py()
        self.words.update("shared" if word.startswith("shared") else word for word in seen["word"].to_pylist())


def summarise(parts: Iterable[pa.Table], classes: Sequence[str], labelled: bool) -> list[ClassSummary]:
    """Every class, in the classifier's order, from the parts of an audit; only sums are kept.

    Args:
        labelled: whether labels are known.
    """
    sums = [_Sums() for _ in classes]
    for part in parts:
        for column in pc.unique(part["class_index"]).to_pylist():
            sums[column].add(part.filter(pc.equal(part["class_index"], column)))
    return [_summary(name, each, labelled) for name, each in zip(classes, sums, strict=True)]


def _summary(name: str, sums: _Sums, labelled: bool) -> ClassSummary:
    known: dict[str, Any] = {"labelled": None, "right": None, "wrong": None, "missed": None}
    if labelled:
        right, wrong, missed = sums.right, sums.wrong, sums.missed
        known = {"labelled": right + missed, "right": right, "wrong": wrong, "missed": missed}
    means = {each: sums.values[each] / count if (count := sums.counts[each]) else None for each in MEANS}
    mean_mask = np.round(sums.mask / sums.seen, 4).tolist() if sums.seen else None
    return ClassSummary(
        name,
        seen=sums.seen,
        means=means,
        words=dict(sums.words.most_common()),
        mean_mask=mean_mask,
        located=sums.counts["inside"],
        **known,
    )
