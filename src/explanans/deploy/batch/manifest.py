"""The pictures of a job, listed once in a fixed order, so that shard k holds the same ones for ever."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from explanans.errors import InputError
from explanans.images.listing import Item
from explanans.utils.files import atomic_file
from explanans.utils.records import Kind, open_parquet, reading
from explanans.utils.text import path_bytes, path_text

RECORD = Kind("list of a job's pictures", "put back a copy of it, or name a new folder")
PATHS = ("path", "member")
SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        # As the file system has them: a name need not be text.
        *((name, pa.binary()) for name in PATHS),
        *((name, pa.int64()) for name in ("row", "length")),
    ]
)


def write_manifest(path: Path, items: Iterable[Item], shard_size: int) -> None:
    """A Parquet file with a row group for each shard; as little is in memory as one shard's names."""
    names = [field.name for field in fields(Item)]
    count = 0
    with atomic_file(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, write_page_checksum=True) as writer:
        for group in _groups(items, shard_size):
            rows = [asdict(item) for item in group]
            count += len(rows)
            columns = {name: [_stored(row[name], name) for row in rows] for name in names}
            writer.write_table(pa.table(columns, SCHEMA), row_group_size=shard_size)
    if not count:
        path.unlink()
        raise InputError("images: there are none; give files, folders, patterns, tables or archives.")


class Manifest:
    """Reads what :func:`write_manifest` wrote, a shard at a time."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = open_parquet(path, RECORD, SCHEMA)
        self.pictures = self._file.metadata.num_rows
        self.shards = self._file.num_row_groups
        self.shard_size = self._file.metadata.row_group(0).num_rows

    def shard(self, number: int) -> list[Item]:
        with reading(self.path, RECORD):
            rows = self._file.read_row_group(number, SCHEMA.names).to_pylist()
        return [Item(**row | {name: path_text(row[name]) for name in PATHS}) for row in rows]

    def size(self, number: int) -> int:
        return self._file.metadata.row_group(number).num_rows


def _stored(value: str | int, name: str) -> str | int | bytes:
    return path_bytes(str(value)) if name in PATHS else value


def _groups(items: Iterable[Item], size: int) -> Iterable[list[Item]]:
    each = iter(items)
    while group := list(islice(each, size)):
        yield group
