"""Where pictures are: files, folders, patterns, tables, archives, object storage; listed without being read."""

from __future__ import annotations

import glob
import os
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explanans.errors import InputError
from explanans.images.archives import list_tar, list_zip
from explanans.images.reading import SUFFIXES
from explanans.utils.object_storage import shown_address
from explanans.utils.paths import local_path
from explanans.utils.read_table import TEXT_SUFFIXES, check_columns, read_table, readable
from explanans.utils.text import printable, shortened

if TYPE_CHECKING:
    import pyarrow as pa

# pyarrow is imported where tables and storages are listed: a figure of one photo does without it.
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
TABLES = (*TEXT_SUFFIXES, ".parquet")
COLUMNS = ("image", "path", "file", "file_name", "bytes")


@dataclass(frozen=True)
class Item:
    """One picture.

    Attributes:
        source: what it is called in results; printable.
        path: the file that holds it; a URI where it is in object storage.
        member: its name in an archive or its column in a table; "" for a file of its own.
        row: its row in a table, or where it begins in an unpacked tar; −1 otherwise.
        length: its bytes in an unpacked tar; −1 otherwise.
        size, changed: of the file that holds it: bytes, and when it was changed in nanoseconds; −1 where unknown.
    """

    source: str
    path: str
    member: str = ""
    row: int = -1
    length: int = -1
    size: int = field(default=-1, compare=False)
    changed: int = field(default=-1, compare=False)


def list_items(arguments: Iterable[str | Path]) -> Iterator[Item]:
    """Every picture of the arguments, in a fixed order: arguments as given, files and members in alphabetical order,
    rows as they come. Nothing is decoded, and nothing but names is kept in memory.

    Raises:
        InputError: an argument that is empty, does not exist or holds no picture; a table or an archive that cannot be
            read.
    """
    for argument in map(str, arguments):
        count, path, stamp = 0, None, (-1, -1)
        for item in _of(argument):
            count += 1
            if "://" not in item.path and item.path != path:
                path, stamp = item.path, stamp_of(item.path)
            yield item if "://" in item.path else replace(item, size=stamp[0], changed=stamp[1])
        if not count:
            raise InputError(f"images: {shown_address(argument)} holds no picture; looked for {', '.join(SUFFIXES)}.")


def list_files(arguments: Iterable[str | Path]) -> list[Path]:
    """Files, folders (searched to the bottom) and patterns as a list of files, each once.

    Raises:
        InputError: as :func:`list_items`, and a table, an archive or a URI, whose pictures are no files of their own. A
            file that does not exist is kept, and reported when it is its turn.
    """
    found: dict[Path, None] = {}
    for argument in map(str, arguments):
        _refuse_empty(argument)
        path = Path(argument)
        if path.is_dir():
            found.update(dict.fromkeys(list_images(path)))
            continue
        if not is_container(argument) and not glob.has_magic(argument):
            found[path] = None
            continue
        for item in list_items([argument]):
            if item.member or "://" in item.path:
                raise InputError(
                    f"images: {shown_address(argument)} holds pictures that are no files of their own; give files, "
                    "folders or patterns."
                )
            found[Path(item.path)] = None
    return list(found)


def list_images(folder: str | Path) -> list[Path]:
    """All pictures below a folder by their suffix, in the order of their paths; hidden files are left out.

    Raises:
        InputError: no such folder, or no picture in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        fault = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"folder {printable(folder)} {fault}; give a folder.")
    paths = find_images(folder)
    if not paths:
        raise InputError(
            f"folder {printable(folder)} and its sub-folders hold no picture; looked for {', '.join(SUFFIXES)}."
        )
    return paths


def find_images(folder: Path) -> list[Path]:
    """What :func:`list_images` finds; an empty list where there is nothing."""
    return sorted(Path(item.path) for item in _folder(folder))


def is_container(argument: str) -> bool:
    """Whether an argument is a table, an archive or a place in object storage, by its name."""
    return "://" in argument or argument.lower().endswith((*TABLES, *ARCHIVES))


def _of(argument: str) -> Iterator[Item]:
    _refuse_empty(argument)
    lower = argument.lower()
    path = local_path(argument)
    if path is None:
        yield from _remote(argument)
    elif path.is_dir():
        # Named as they were asked for: by their address where the folder was given by one.
        start = argument.rstrip("/") if "://" in argument else None
        for item in _folder(path):
            tail = Path(item.path).relative_to(path).as_posix()
            yield item if start is None else Item(printable(f"{start}/{tail}"), item.path)
    elif not path.exists() and glob.has_magic(argument):
        matches = sorted(glob.iglob(argument, recursive=True))  # noqa: PTH207
        if not matches:
            raise InputError(f"images: nothing matches {printable(argument)!r}; give files, folders or other patterns.")
        yield from (Item(printable(name), name) for name in matches if Path(name).is_file())
    elif not path.exists():
        raise InputError(
            f"images: {printable(argument)} does not exist; give files, folders, patterns, tables or archives."
        )
    elif not path.is_file():
        raise InputError(f"images: {printable(argument)} is no regular file; give files, folders, tables or archives.")
    elif lower.endswith(TABLES):
        yield from _table(path)
    elif lower.endswith(ARCHIVES):
        listed = list_zip if lower.endswith(".zip") else list_tar
        for name, *where in listed(path):
            if _is_picture(name):
                yield Item(printable(f"{path}!{name}"), str(path), name, *where)
    else:
        yield Item(printable(argument), str(path))


def stamp_of(path: str | Path) -> tuple[int, int]:
    """Size of a file in bytes and when its content was changed in nanoseconds; −1 for both where there is none."""
    try:
        state = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return -1, -1
    return state.st_size, state.st_mtime_ns


def _refuse_empty(argument: str) -> None:
    if not argument.strip():
        raise InputError(
            "images: an argument is empty, perhaps a variable of the shell that is not set; give files, folders, "
            "patterns, tables or archives, and . for the current folder."
        )


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.rpartition("/")[2].startswith(".")


def _folder(folder: Path) -> Iterator[Item]:
    for place, names, files in os.walk(folder):
        # In place, so that the walk goes on in this order.
        names.sort()
        for name in sorted(files):
            if _is_picture(name):
                path = str(Path(place) / name)
                yield Item(printable(path), path)


def _table(path: Path) -> Iterator[Item]:
    """Paths are relative to the table's folder; a Parquet column may hold the pictures' own bytes instead."""
    if path.suffix.lower() in TEXT_SUFFIXES:
        table = read_table(path)
        column = _column(path, table.schema)
        yield from (_at(path, column, row, value) for row, value in enumerate(table[column].to_pylist()))
        return
    import pyarrow.parquet as pq

    with readable(path):
        file = pq.ParquetFile(path)
        column = _column(path, file.schema_arrow)
        if _holds_bytes(file.schema_arrow.field(column).type):
            rows = range(file.metadata.num_rows)
            yield from (Item(printable(f"{path}#{row}"), str(path), column, row) for row in rows)
            return
        row = 0
        for batch in file.iter_batches(columns=[column]):
            for value in batch.column(0).to_pylist():
                yield _at(path, column, row, value)
                row += 1


def _column(path: Path, schema: pa.Schema) -> str:
    check_columns(path, schema.names)
    found = [name for name in COLUMNS if name in schema.names]
    if not found:
        raise InputError(
            f"images: {printable(path)} has the columns {', '.join(map(printable, schema.names))}; one of "
            f"{', '.join(COLUMNS)} holds pictures: rename it."
        )
    return found[0]


def _holds_bytes(kind: pa.DataType) -> bool:
    """Bytes, plain or in a dictionary, or bytes and a path as Hugging Face's data sets have them."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(kind.field(n).name == "bytes" for n in range(kind.num_fields))
    if pa.types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(test(kind) for test in tests)


def _at(table: Path, column: str, row: int, value: Any) -> Item:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"images: {printable(table)}, column {column!r}, row {row + 1}: {value!r} is no path.")
    place = local_path(value)
    path = value if place is None else str(table.parent / place)
    return Item(printable(path), path)


def _remote(uri: str) -> Iterator[Item]:
    """A file or a folder in object storage (s3://, gs://, …), through pyarrow."""
    import pyarrow as pa
    from pyarrow import fs

    try:
        system, path = fs.FileSystem.from_uri(uri)
        found = system.get_file_info(path)
        files = (
            system.get_file_info(fs.FileSelector(path, recursive=True))
            if found.type == fs.FileType.Directory
            else [found]
        )
    except (OSError, pa.ArrowInvalid) as error:
        place = shown_address(uri)
        said = shortened(str(error).replace(uri, place))
        raise InputError(f"images: {place} cannot be opened ({said}); check it.") from error
    address, question, settings = uri.partition("?")
    address, scheme = address.rstrip("/"), f"{uri.partition('://')[0]}://"
    # What stands before the path: a host, or who is asking; such a secret and the settings are not shown.
    start = address[: len(address) - len(path)] if address.endswith(path) else scheme
    shown = start if "@" not in start else scheme
    for each in sorted(files, key=lambda each: each.path):
        if each.type == fs.FileType.File and _is_picture(each.path):
            changed = -1 if each.mtime_ns is None else each.mtime_ns
            place = start + urllib.parse.quote(each.path, safe="/") + question + settings
            yield Item(printable(shown + each.path), place, size=each.size, changed=changed)
