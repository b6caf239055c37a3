"""The tables of an audit: a row for each photo and class, what failed, and the photos to look at."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explanans.audit.audited_photos import Photos
from explanans.audit.looked import ROWS, read_parts, vectors
from explanans.audit.suspects import Suspect
from explanans.audit.ways import Way, assign
from explanans.utils.files import atomic_file
from explanans.utils.text import printable

TABLE = pa.schema([*ROWS, ("way", pa.int32())])
"""The rows, with the number of the way in which the class is seen; null where it is not."""

LOOK_AT_COLUMNS = ("rank", "accused", "kind", "class", "photo", "file", "why")
SHOWN = 100
"""Photos to look at for each suspicion, at most."""


def write_table(parts: list[Path], ways: Sequence[list[Way]], path: Path) -> int:
    """All rows in one file, a part at a time; how many have some trouble."""
    troubled = 0
    with atomic_file(path) as temporary, pq.ParquetWriter(temporary, TABLE, compression="zstd") as writer:
        for table in read_parts(parts, [*ROWS.names, "features"]):
            numbers = pa.array(_ways(table, ways), pa.int32())
            writer.write_table(table.select(ROWS.names).append_column("way", numbers).cast(TABLE))
            troubled += sum(map(bool, table["trouble"].to_pylist()))
    return troubled


def _ways(table: pa.Table, ways: Sequence[list[Way]]) -> list[int | None]:
    columns, there = table["class_index"].to_numpy(), table["features"].is_valid().to_numpy()
    numbers: list[int | None] = [None] * len(table)
    for column in np.unique(columns[there]).tolist():
        places = np.flatnonzero(there & (columns == column))
        found = assign(vectors(table.take(places), "features"), ways[column])
        for place, number in zip(places.tolist(), found.tolist(), strict=True):
            numbers[place] = number
    return numbers


def look_at(suspects: Sequence[Suspect], photos: Photos) -> Iterator[tuple[str, ...]]:
    """Rows of :data:`LOOK_AT_COLUMNS`, by rank; the clearest photos of each suspicion first."""
    for rank, suspect in enumerate(suspects, 1):
        accused = "yes" if suspect.accused else "no"
        for index in suspect.examples[:SHOWN]:
            file = printable(photos.data.paths[index])
            name = printable(photos.data.names[index])
            yield str(rank), accused, suspect.kind, suspect.name, name, file, suspect.says


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
