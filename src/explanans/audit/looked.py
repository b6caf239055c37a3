"""What was seen of each photo and class: the rows of an audit, in parts that are read one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from explanans.audit.geometry import GRID
from explanans.utils.files import atomic_file
from explanans.utils.records import Kind, open_parquet, reading

PART = Kind("part of an audit", "delete it, and repeat the command to make it again")
MADE_FROM = b"made from"

ROWS = pa.schema(
    [
        *(("index", pa.int64()), ("photo", pa.string()), ("class", pa.string()), ("class_index", pa.int32())),
        *(("labelled", pa.bool_()), ("seen", pa.bool_()), ("probability", pa.float32())),
        *((name, pa.float32()) for name in ("kept", "removed", "elsewhere", "area", "score")),
        *(("word", pa.string()), ("other", pa.string()), ("shared", pa.float32())),
        *((name, pa.float32()) for name in ("x", "y", "inside", "border", "outside")),
        ("trouble", pa.string()),
    ]
)
"""A row for each photo and class that is seen in it or labelled; without a mask where it is not seen.

``labelled`` is null where labels are unknown; ``x`` and ``y`` are the centre of the mask in [0, 1]; ``inside``,
``border`` and ``outside`` are shares of the mask, null where nobody knows where the object is; ``trouble`` is what
could not be used, such as features that are NaN, and "" where there is none.
"""

LOOKS = pa.schema([*ROWS, ("grid", pa.binary()), ("colours", pa.binary()), ("features", pa.binary())])
"""Of a part: the mask on a grid (uint8, 255 is 1), colours and features (float16); null where there is no mask."""


def write_part(path: Path, table: pa.Table, made_from: str) -> None:
    with atomic_file(path) as temporary:
        marked = table.replace_schema_metadata({MADE_FROM: made_from.encode()})
        pq.write_table(marked, temporary, compression="zstd", write_page_checksum=True)


def is_made_from(path: Path, made_from: str) -> bool:
    """Whether a part is there, whole, and of these masks."""
    if not path.is_file():
        return False
    with open_parquet(path, PART, LOOKS) as file:
        return (file.schema_arrow.metadata or {}).get(MADE_FROM) == made_from.encode()


def read_parts(paths: list[Path], columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The parts in order, one at a time."""
    for path in paths:
        with open_parquet(path, PART, LOOKS) as file, reading(path, PART):
            table = file.read(columns=columns or LOOKS.names)
        yield table.replace_schema_metadata(None)


def grids(table: pa.Table) -> NDArray[np.float32]:
    """Masks on the grid, (N, 16, 16) in [0, 1], of rows that all have one."""
    values = np.frombuffer(b"".join(table["grid"].to_pylist()), np.uint8)
    return values.reshape(-1, GRID, GRID).astype(np.float32) / np.float32(255)


def vectors(table: pa.Table, column: str) -> NDArray[np.float32]:
    """``colours`` or ``features`` of rows that all have them, (N, K)."""
    rows = table[column].to_pylist()
    values = np.frombuffer(b"".join(rows), np.float16)
    return values.reshape(len(rows), -1).astype(np.float32)
