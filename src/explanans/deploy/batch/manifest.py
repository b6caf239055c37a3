"""The pictures of a job, listed in a fixed order, so that shard k holds the same ones for ever."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from explanans.deploy.batch.changes import Changes, compare
from explanans.errors import InputError
from explanans.images.listing import ARCHIVES, Item, list_items, stamp_of
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
        *((name, pa.int64()) for name in ("row", "length", "size", "changed")),
        ("gone", pa.bool_()),
    ]
)
STAMP = ("source", "size", "changed")
"""What tells whether a shard was made from a picture as it is now."""

LISTED, GONE = b"listed", b"gone"
"""Metadata: a hash of what each argument held when it was last listed; how many pictures of which shard are gone."""


def write_manifest(path: Path, arguments: Sequence[str], shard_size: int) -> None:
    """List the pictures into a Parquet file with a row group for each shard; in memory are one shard's names.

    Raises:
        InputError: as :func:`explanans.images.listing.list_items`, or there is no argument.
    """
    if not arguments:
        raise InputError("images: there are none; give files, folders, patterns, tables or archives.")
    listed: list[dict[str, Any]] = []
    rows = ({**asdict(item), "gone": False} for item in _noted(arguments, listed))
    _write(path, _groups(rows, shard_size), listed)


def renew_manifest(path: Path, arguments: Sequence[str], shard_size: int) -> Changes:
    """List the pictures again, and where they are not what they were write the list anew.

    Every picture stays in its shard, and those that were added come after all others, in shards of their own. A picture
    that is gone stays in the list, marked, so that what was made of it is known.
    """
    file = open_parquet(path, RECORD, SCHEMA)
    with reading(path, RECORD):
        before = json.loads(file.metadata.metadata[LISTED])
        same = len(before) == len(arguments) and all(map(_is_same, arguments, before))
    if same:
        return Changes()
    listed: list[dict[str, Any]] = []
    now = _numbered(asdict(item) for item in _noted(arguments, listed))
    names = [field.name for field in fields(Item)]
    earlier: dict[tuple[str, int], Any] = {}
    groups = []
    counts: Counter[str] = Counter()
    manifest = Manifest(path)
    for shard in range(manifest.shards):
        group = []
        for row in manifest.rows(shard):
            key = (row["source"], counts[row["source"]])
            counts[row["source"]] += 1
            if not row["gone"]:
                earlier[key] = _stamp_of(row)
            group.append({**(now[key] if key in now else {name: row[name] for name in names}), "gone": key not in now})
        groups.append(group)
    listed_before = {(source, number) for source, count in counts.items() for number in range(count)}
    added = [{**row, "gone": False} for key, row in now.items() if key not in listed_before]
    _write(path, [*groups, *_groups(added, shard_size)], listed)
    return compare(earlier, {key: _stamp_of(row) for key, row in now.items()}, lambda key: key[0])


class Manifest:
    """Reads what :func:`write_manifest` wrote, a shard at a time.

    Attributes:
        pictures: how many there are in all shards; what is gone does not count.
        shards: how many.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = open_parquet(path, RECORD, SCHEMA)
        self.shards = self._file.num_row_groups
        with reading(self.path, RECORD):
            self._gone = {int(shard): count for shard, count in json.loads(self._file.metadata.metadata[GONE]).items()}
        self.pictures = self._file.metadata.num_rows - sum(self._gone.values())

    def shard(self, number: int) -> list[Item]:
        """The pictures of a shard that are still there."""
        rows = [row for row in self.rows(number) if not row.pop("gone")]
        return [Item(**row) for row in rows]

    def rows(self, number: int) -> list[dict[str, Any]]:
        rows = self._table(number).to_pylist()
        return [row | {name: path_text(row[name]) for name in PATHS} for row in rows]

    def size(self, number: int) -> int:
        """How many pictures :meth:`shard` has."""
        return self._file.metadata.row_group(number).num_rows - self._gone.get(number, 0)

    def stamps(self, number: int) -> pa.Table:
        """:data:`STAMP` of the pictures that :meth:`shard` has."""
        table = self._table(number, [*STAMP, "gone"])
        return table.filter(pc.invert(table["gone"])).select(STAMP)

    def _table(self, number: int, columns: Sequence[str] = SCHEMA.names) -> pa.Table:
        with reading(self.path, RECORD):
            return self._file.read_row_group(number, columns)


def _noted(arguments: Iterable[str], listed: list[dict[str, Any]]) -> Iterator[Item]:
    """The pictures; ``listed`` gets what :func:`_is_same` compares of each argument that is through."""
    for argument in arguments:
        archive, digest = _archive_stamp(argument), hashlib.sha256()
        for item in list_items([argument]):
            _hash(digest, item)
            yield item
        listed.append({"argument": argument, "archive": archive, "hash": digest.hexdigest()})


def _is_same(argument: str, before: Mapping[str, Any]) -> bool:
    if argument != before["argument"]:
        return False
    archive, digest = _archive_stamp(argument), hashlib.sha256()
    # An archive that was not touched is not read to its end again.
    if archive is not None and archive == before["archive"]:
        return True
    for item in list_items([argument]):
        _hash(digest, item)
    return digest.hexdigest() == before["hash"]


def _archive_stamp(argument: str) -> list[int] | None:
    return list(stamp_of(argument)) if argument.lower().endswith(ARCHIVES) else None


def _hash(digest: Any, item: Item) -> None:
    digest.update(path_bytes("\0".join(str(value) for value in asdict(item).values()) + "\n"))


def _numbered(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """Rows by their source and how often it came before: a picture may be listed twice."""
    counts: Counter[str] = Counter()
    found = {}
    for row in rows:
        found[row["source"], counts[row["source"]]] = row
        counts[row["source"]] += 1
    return found


def _stamp_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in row.items() if name not in ("source", "gone"))


def _write(path: Path, groups: Iterable[Sequence[Mapping[str, Any]]], listed: list[dict[str, Any]]) -> None:
    """``listed`` may still be filled while the groups are made."""
    gone: dict[int, int] = {}
    with atomic_file(path) as temporary, pq.ParquetWriter(temporary, SCHEMA, write_page_checksum=True) as writer:
        for number, group in enumerate(groups):
            columns = {name: [_stored(row[name], name) for row in group] for name in SCHEMA.names}
            writer.write_table(pa.table(columns, SCHEMA), row_group_size=len(group))
            if lost := sum(row["gone"] for row in group):
                gone[number] = lost
        writer.add_key_value_metadata({LISTED: json.dumps(listed), GONE: json.dumps(gone)})


def _stored(value: Any, name: str) -> Any:
    return path_bytes(str(value)) if name in PATHS else value


def _groups(rows: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    each = iter(rows)
    while group := list(islice(each, size)):
        yield group
