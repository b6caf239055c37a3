"""Two classifiers, or two versions of one, on the same photos: what got better or worse, and where they look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explanans.audit.audit_settings import Settings
from explanans.audit.audited_photos import Photos
from explanans.audit.intervals import Effect, difference
from explanans.audit.looked import grids, read_parts
from explanans.audit.pass_over import Told, explain_photos, look_at_all, part_paths
from explanans.audit.run import Audit
from explanans.errors import InputError
from explanans.explanations.batch import Masker
from explanans.utils.files import atomic_file
from explanans.utils.records import Kind, write_json

FOLDER, TABLE_FILE, SUMMARY = "against", "against.parquet", "against.json"
KIND = Kind("comparison of two audits", "repeat the command of the audit to make it again", {"classes": [dict]})

ROWS = pa.schema(
    [
        *(("index", pa.int64()), ("photo", pa.string()), ("class", pa.string()), ("class_index", pa.int32())),
        *(("labelled", pa.bool_()), ("seen", pa.bool_()), ("seen_other", pa.bool_())),
        *(("probability", pa.float32()), ("probability_other", pa.float32()), ("change", pa.string())),
        ("overlap", pa.float32()),
    ]
)
"""A row for each photo and class that one of the two sees or that is labelled.

``change`` is from the first to the other: "better", "worse" or "same" by the label; where labels are unknown "appears",
"goes" or "same". ``overlap`` is that of the masks on the grid, Σ min / Σ max, null where not both see the class. A
probability is null where there is no row of it.
"""


@dataclass(frozen=True)
class ClassChange:
    """A class under both.

    Attributes:
        name: of the class.
        changes: rows by ``change``.
        gain: share of the rows that got better less share that got worse, with its interval; None without labels.
        overlap: mean overlap of the masks where both see it; None where they never do.
        differently: photos of least overlap, the least first.
        better, worse: photos (numbers in the data).
    """

    name: str
    changes: dict[str, int]
    gain: Effect | None
    overlap: float | None
    differently: list[int]
    better: list[int]
    worse: list[int]


def audit_against(
    found: Audit,
    masker: Masker,
    photos: Photos,
    settings: Settings | None = None,
    *,
    workers: int = 1,
    told: Told | None = None,
) -> list[ClassChange]:
    """Look at the photos of an audit with another classifier too, and compare, class by class.

    ``against.parquet`` (see :data:`ROWS`) and ``against.json`` are written into the audit's folder, and into
    ``against`` below it what the other classifier's masks are. It is resumed as the audit itself.

    Args:
        found: the audit of the first.
        masker: the other.
        photos: the same, opened for the other.

    Raises:
        InputError: other photos or other classes.
    """
    chosen = settings or Settings()
    names = [each.name for each in found.classes]
    if list(masker.explanandum.classes) != names:
        raise InputError(
            f"against: it has the classes {list(masker.explanandum.classes)}, the audited classifier {names}; two are "
            "compared on the same classes."
        )
    out = found.folder / FOLDER
    explain_photos(masker.eval(), photos, out, chosen, workers=workers, told=told)
    other = look_at_all(masker, photos, out, workers=workers, told=told)
    own = part_paths(found.folder)
    if len(own) != len(other):
        raise InputError(f"against: {len(other)} shards, and the audit has {len(own)}; give the same photos and sizes.")
    changes = [_Changes(name) for name in names]
    with (
        atomic_file(found.folder / TABLE_FILE) as temporary,
        pq.ParquetWriter(temporary, ROWS, compression="zstd") as writer,
    ):
        for table in compared(own, other):
            writer.write_table(table)
            for row in table.to_pylist():
                changes[row["class_index"]].add(row)
    result = [each.summary(photos.labelled) for each in changes]
    write_json(found.folder / SUMMARY, KIND, {"classes": [asdict(each) for each in result]})
    return result


def compared(own: Iterable[Path], other: Iterable[Path]) -> Iterator[pa.Table]:
    """Rows of both, part by part; the parts are of the same photos."""
    for one, two in zip(own, other, strict=True):
        (first,), (second,) = (list(read_parts([path])) for path in (one, two))
        yield pa.Table.from_pylist(list(_rows(first, second)), ROWS)


def _rows(first: pa.Table, second: pa.Table) -> Iterator[dict[str, Any]]:
    sides = []
    for table in (first, second):
        rows = table.drop_columns(["features", "colours"]).to_pylist()
        sides.append({(row["index"], row["class_index"]): row for row in rows})
    cells = [_cells(table) for table in (first, second)]
    for key in sorted(sides[0].keys() | sides[1].keys()):
        one, two = (side.get(key) for side in sides)
        row = one or two
        assert row is not None
        seen, seen_other = (each is not None and each["seen"] for each in (one, two))
        masks = [side.get(key) for side in cells]
        yield {
            **{name: row[name] for name in ("index", "photo", "class", "class_index", "labelled")},
            "seen": seen,
            "seen_other": seen_other,
            "probability": one and one["probability"],
            "probability_other": two and two["probability"],
            "change": change(seen, seen_other, row["labelled"]),
            "overlap": None if masks[0] is None or masks[1] is None else overlap(masks[0], masks[1]),
        }


def _cells(table: pa.Table) -> dict[tuple[int, int], np.ndarray]:
    rows = table.filter(table["seen"])
    keys = zip(rows["index"].to_pylist(), rows["class_index"].to_pylist(), strict=True)
    return dict(zip(keys, grids(rows), strict=True)) if len(rows) else {}


def change(seen: bool, other: bool, labelled: bool | None) -> str:
    """From the first classifier to the other.

    >>> change(False, True, labelled=True), change(False, True, labelled=False), change(False, True, labelled=None)
    ('better', 'worse', 'appears')
    """
    if seen == other:
        return "same"
    if labelled is None:
        return "appears" if other else "goes"
    return "better" if other == labelled else "worse"


def overlap(one: np.ndarray, two: np.ndarray) -> float:
    """Σ min(a, b) / Σ max(a, b) of two masks in [0, 1]; 1 where both are empty."""
    union = float(np.maximum(one, two).sum())
    return float(np.minimum(one, two).sum()) / union if union else 1.0


class _Changes:
    """What is counted of a class; of photos the first 100 of each kind, and the 100 that differ most."""

    MOST = 100

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()
        self.overlaps: list[tuple[float, int]] = []
        self.sum, self.both = 0.0, 0
        self.photos: dict[str, list[int]] = {}

    def add(self, row: dict[str, Any]) -> None:
        self.counts[row["change"]] += 1
        of = self.photos.setdefault(row["change"], [])
        if len(of) < self.MOST:
            of.append(row["index"])
        if row["overlap"] is not None:
            self.sum, self.both = self.sum + row["overlap"], self.both + 1
            self.overlaps = sorted([*self.overlaps, (row["overlap"], row["index"])])[: self.MOST]

    def summary(self, labelled: bool) -> ClassChange:
        total = sum(self.counts.values())
        gain = difference(self.counts["better"], total, self.counts["worse"], total) if labelled else None
        return ClassChange(
            self.name,
            dict(self.counts.most_common()),
            gain,
            self.sum / self.both if self.both else None,
            [index for _, index in self.overlaps],
            self.photos.get("better", self.photos.get("appears", [])),
            self.photos.get("worse", self.photos.get("goes", [])),
        )
