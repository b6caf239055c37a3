"""Where pictures are: files, folders, patterns, tables, archives, object storage; listed without being read."""

from __future__ import annotations

import glob
import os
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pyarrow import fs

from explanans.errors import InputError
from explanans.images.reading import SUFFIXES

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
TABLES = (".csv", ".parquet")
COLUMNS = ("image", "path", "file", "file_name", "bytes")


@dataclass(frozen=True)
class Item:
    """One picture.

    Attributes:
        source: what it is called in results.
        path: the file that holds it; a URI where it is in object storage.
        member: its name in an archive or its column in a table; "" for a file of its own.
        row: its row in a table, or where it begins in an uncompressed tar; −1 otherwise.
        length: its bytes in an uncompressed tar; −1 otherwise.
    """

    source: str
    path: str
    member: str = ""
    row: int = -1
    length: int = -1


def list_items(arguments: Iterable[str | Path]) -> Iterator[Item]:
    """Every picture of the arguments, in a fixed order: arguments as given, files and members in alphabetical order,
    rows as they come. Nothing is decoded, and nothing but names is kept in memory.

    Raises:
        InputError: an argument that does not exist, or holds no picture.
    """
    for argument in map(str, arguments):
        count = 0
        for item in _of(argument):
            count += 1
            yield item
        if not count:
            raise InputError(f"images: {argument} holds no picture; looked for {', '.join(SUFFIXES)}.")


def _of(argument: str) -> Iterator[Item]:
    lower = argument.lower()
    if "://" in argument:
        yield from _remote(argument)
    elif Path(argument).is_dir():
        yield from _folder(Path(argument))
    elif not Path(argument).exists() and glob.has_magic(argument):
        for name in sorted(glob.iglob(argument, recursive=True)):  # noqa: PTH207
            if Path(name).is_file():
                yield Item(name, name)
    elif not Path(argument).is_file():
        raise InputError(f"images: {argument} does not exist; give files, folders, patterns, tables or archives.")
    elif lower.endswith(TABLES):
        yield from _table(argument)
    elif lower.endswith(".zip"):
        yield from _zip(argument)
    elif lower.endswith(ARCHIVES):
        yield from _tar(argument)
    else:
        yield Item(argument, argument)


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.rpartition("/")[2].startswith(".")


def _folder(folder: Path) -> Iterator[Item]:
    for place, names, files in os.walk(folder):
        # In place, so that the walk goes on in this order.
        names.sort()
        for name in sorted(files):
            if _is_picture(name):
                path = str(Path(place) / name)
                yield Item(path, path)


def _table(path: str) -> Iterator[Item]:
    """Paths are relative to the table's folder; a Parquet column may hold the pictures' own bytes instead."""
    if path.lower().endswith(".csv"):
        with _readable(path):
            table = pyarrow.csv.read_csv(path)
        column = _column(path, table.schema)
        yield from (_at(path, value) for value in table[column].to_pylist())
        return
    with _readable(path):
        file = pq.ParquetFile(path)
    column = _column(path, file.schema_arrow)
    if _holds_bytes(file.schema_arrow.field(column).type):
        yield from (Item(f"{path}#{row}", path, column, row) for row in range(file.metadata.num_rows))
        return
    for batch in file.iter_batches(columns=[column]):
        yield from (_at(path, value) for value in batch[column].to_pylist())


def _column(path: str, schema: pa.Schema) -> str:
    found = [name for name in COLUMNS if name in schema.names]
    if not found:
        raise InputError(f"images: {path} has the columns {schema.names}; one of {', '.join(COLUMNS)} holds pictures.")
    return found[0]


def _holds_bytes(kind: pa.DataType) -> bool:
    """Plain bytes, or bytes and a path as Hugging Face's data sets have them."""
    if pa.types.is_struct(kind):
        return any(kind.field(n).name == "bytes" for n in range(kind.num_fields))
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _at(table: str, value: Any) -> Item:
    path = str(Path(table).parent / str(value)) if "://" not in str(value) else str(value)
    return Item(path, path)


def _zip(path: str) -> Iterator[Item]:
    with _readable(path), zipfile.ZipFile(path) as archive:
        names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    yield from (Item(f"{path}!{name}", path, name) for name in names if _is_picture(name))


def _tar(path: str) -> Iterator[Item]:
    """In the order of the archive, which is the only one that a compressed tar can be read in."""
    plain = path.lower().endswith(".tar")
    with _readable(path), tarfile.open(path, "r:" if plain else "r:gz") as archive:
        for info in archive:
            if info.isfile() and _is_picture(info.name):
                where = (info.offset_data, info.size)
                yield Item(f"{path}!{info.name}", path, info.name, *where)


def _remote(uri: str) -> Iterator[Item]:
    """A file or a folder in object storage (s3://, gs://, file://, …), through pyarrow."""
    try:
        system, path = fs.FileSystem.from_uri(uri)
        found = system.get_file_info(path)
        files = (
            system.get_file_info(fs.FileSelector(path, recursive=True))
            if found.type == fs.FileType.Directory
            else [found]
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"images: {uri} cannot be opened ({error}).") from error
    start = uri[: len(uri) - len(path)] if uri.endswith(path) else uri.partition("://")[0] + "://"
    for name in sorted(each.path for each in files if each.type == fs.FileType.File):
        if _is_picture(name):
            yield Item(start + name, start + name)


class _readable:
    """What a damaged archive or table raises, as an error that names it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, tarfile.TarError | zipfile.BadZipFile | pa.ArrowException | EOFError | OSError):
            raise InputError(f"images: {self.path} cannot be read ({type(error).__name__}: {error}).") from error
