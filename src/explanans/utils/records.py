"""The files that we write and read again: what one is, whether it is whole, and what to do where it is not."""

from __future__ import annotations

import json
import pickle
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from explanans.errors import InputError
from explanans.utils.files import atomic_file
from explanans.utils.text import shortened

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FORMAT = "format"
"""The entry of a JSON record that says of which kind and version it is."""

_DAMAGE = (
    *(ValueError, EOFError, OSError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(RecursionError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, pickle.UnpicklingError),
)
"""What readers raise on bytes that they do not understand; pyarrow has one more."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        name: what it describes or holds, such as "training run".
        remedy: what to do where it cannot be used.
        form: entries without which it is something else, by name: the type of each, a tuple of types, a list with the
            form of every element, or a mapping of entries in turn (with ``str`` as the name of all of them).
        version: of its form.
    """

    name: str
    remedy: str
    form: Mapping[Any, Any] = field(default_factory=dict)
    version: int = 1

    def complain(self, path: Path, fault: str) -> InputError:
        return InputError(f"{path} ({self.name}) {fault}; {self.remedy}.")


@contextmanager
def reading(path: Path, kind: Kind) -> Iterator[None]:
    """What goes wrong in the block is an InputError that names the file, its kind and the next step."""
    try:
        if path.is_dir():
            raise kind.complain(path, "is a folder, not a file")
        if path.is_file() and not path.stat().st_size:
            raise kind.complain(path, "is empty")
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise kind.complain(path, f"cannot be used ({str(error).rstrip('.')})") from error
    except FileNotFoundError as error:
        raise kind.complain(path, "is missing") from error
    except PermissionError as error:
        raise kind.complain(path, "cannot be read: permission denied") from error
    except json.JSONDecodeError as error:
        raise kind.complain(path, f"is not valid JSON ({error})") from error
    except Exception as error:
        if not isinstance(error, _damage()):
            raise
        reason = f"{type(error).__name__}: {shortened(error)}"
        raise kind.complain(path, f"is damaged or something else ({reason})") from error


def _damage() -> tuple[type[Exception], ...]:
    # Only what is imported has raised anything; a figure of one photo does not wait for what reads tables.
    arrow = sys.modules.get("pyarrow")
    return _DAMAGE if arrow is None else (*_DAMAGE, arrow.ArrowException)


def read_json(path: str | Path, kind: Kind) -> dict[str, Any]:
    """A JSON record without its :data:`FORMAT`.

    Raises:
        InputError: missing, empty, damaged, of another kind or of a later version.
    """
    path = Path(path)
    with reading(path, kind):
        content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise kind.complain(path, f"holds a {type(content).__name__}, not names and values")
    name, _, version = str(content.pop(FORMAT, f"explanans {kind.name} {kind.version}")).rpartition(" ")
    if name != f"explanans {kind.name}":
        raise kind.complain(path, f"is of another kind: {name or version}")
    if not version.isdecimal() or int(version) > kind.version:
        raise InputError(
            f"{path} ({kind.name}) is of version {version}, and this explanans reads up to {kind.version}; update it."
        )
    if fault := _unlike(content, kind.form):
        raise kind.complain(path, fault)
    return content


def write_json(
    path: str | Path, kind: Kind, content: Mapping[str, Any], *, indent: int = 2, allow_nan: bool = True
) -> None:
    """What :func:`read_json` reads, whole or not at all."""
    marked = {FORMAT: f"explanans {kind.name} {kind.version}", **content}
    text = json.dumps(marked, indent=indent, ensure_ascii=False, allow_nan=allow_nan)
    with atomic_file(path) as temporary:
        # Half of a surrogate pair, as in a file name that is no UTF-8, becomes JSON's own escape for it.
        temporary.write_bytes(f"{text}\n".encode(errors="backslashreplace"))


def open_parquet(path: str | Path, kind: Kind, schema: pa.Schema) -> pq.ParquetFile:
    """A Parquet file with (at least) the columns of ``schema``.

    Raises:
        InputError: missing, empty, damaged in its head, or with other columns. Rows are read under :func:`reading`.
    """
    import pyarrow.parquet as pq

    path = Path(path)
    with reading(path, kind):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        own = file.schema_arrow
    lacking = [each.name for each in schema if each.name not in own.names or own.field(each.name).type != each.type]
    if lacking:
        file.close()
        raise kind.complain(path, f"has no columns {', '.join(lacking)} of the right type")
    return file


def read_parquet(path: str | Path, kind: Kind, schema: pa.Schema) -> pa.Table:
    """The columns of ``schema`` of a Parquet file, without its metadata.

    Raises:
        InputError: as :func:`open_parquet`, or damaged rows.
    """
    path = Path(path)
    with open_parquet(path, kind, schema) as file, reading(path, kind):
        return file.read(columns=schema.names).replace_schema_metadata(None).select(schema.names)


def read_arrays(path: str | Path, kind: Kind) -> dict[str, NDArray[Any]]:
    """Every array of an npz file, by name.

    Raises:
        InputError: missing, empty, damaged, or with objects in it, which are never unpickled.
    """
    path = Path(path)
    # Opened here, because numpy leaves what it cannot read open.
    with reading(path, kind), path.open("rb") as file:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise kind.complain(path, "holds one array without a name")
        with archive:
            return {name: archive[name] for name in archive.files}


def read_checkpoint(path: str | Path, kind: Kind) -> dict[str, Any]:
    """A PyTorch checkpoint, on the processor; nothing in it is executed.

    Raises:
        InputError: missing, empty, damaged, with code in it, or of something else.
    """
    path = Path(path)
    with reading(path, kind):
        # torch does not compare the checksums that it writes.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise kind.complain(path, f"is damaged ({damaged} has a wrong checksum)")
        content = torch.load(path, "cpu", weights_only=True)
    if not isinstance(content, dict):
        raise kind.complain(path, f"holds a {type(content).__name__}, not names and values")
    if fault := _unlike(content, kind.form):
        raise kind.complain(path, fault)
    return content


def _unlike(value: Any, form: Any, name: str = "") -> str | None:
    """What is wrong with a value, None where it has the form."""
    if isinstance(form, Mapping):
        if not isinstance(value, Mapping):
            return f"has something else than names and values in {name}"
        entries = [(key, form[str]) for key in value] if str in form else list(form.items())
        lacking = [f"{name}{'.' if name else ''}{key}" for key, _ in entries if key not in value]
        if lacking:
            return f"lacks {', '.join(lacking)}"
        for key, inner in entries:
            if fault := _unlike(value[key], inner, f"{name}{'.' if name else ''}{key}"):
                return fault
        return None
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"has no list in {name}"
        return next((fault for n, each in enumerate(value) if (fault := _unlike(each, form[0], f"{name}[{n}]"))), None)
    kinds = form if isinstance(form, tuple) else (form,)
    # To Python True is a number.
    good = isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds or object in kinds)
    return None if good else f"has a {type(value).__name__} in {name}"
