"""A table of the user's: CSV with commas, semicolons or tabs, or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from explanans.errors import InputError
from explanans.utils.text import printable, shortened

if TYPE_CHECKING:
    import pyarrow as pa

# pyarrow is imported where a table is read: a third of a second that a figure of one photo does not need.
TEXT_SUFFIXES = (".csv", ".tsv")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet")
DELIMITERS = (",", ";", "\t")


def read_table(path: str | Path) -> pa.Table:
    """A CSV or Parquet file with at least one row.

    Every column of a CSV file is text, as it stands there: ``007`` is a name, not a number. Its columns are separated
    by whichever of comma, semicolon and tab the header has most of.

    Raises:
        InputError: no such file, another kind of file, damaged, not UTF-8, a column twice, or no row.
    """
    import pyarrow.parquet as pq

    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"table {printable(path)} is neither of {', '.join(SUFFIXES)}.")
    if not path.is_file():
        fault = "is no regular file" if path.exists() else "does not exist"
        raise InputError(f"table {printable(path)} {fault}; give a {', '.join(SUFFIXES)} file.")
    with readable(path):
        table = _read_text(path) if path.suffix.lower() in TEXT_SUFFIXES else pq.read_table(path)
    check_columns(path, table.column_names)
    if not table.num_rows:
        raise InputError(f"table {printable(path)} has no rows.")
    return table


def check_columns(path: str | Path, names: list[str]) -> None:
    """Refuse a table with two columns of one name, of which only one would be read."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"table {printable(path)} has more than one column {printable(twice[0])!r}; rename all but one."
        )


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """What a damaged table raises in the block becomes an error that names it."""
    import pyarrow as pa

    try:
        yield
    except UnicodeDecodeError as error:
        raise InputError(_not_utf8(path)) from error
    except (pa.ArrowException, OSError) as error:
        if "UTF8" in str(error).upper():
            raise InputError(_not_utf8(path)) from error
        raise InputError(
            f"table {printable(path)} cannot be read: {shortened(error)}. It is damaged or no table; write it anew."
        ) from error


def _not_utf8(path: str | Path) -> str:
    return f"table {printable(path)} is not in UTF-8; save it with that encoding (in a spreadsheet: CSV UTF-8)."


def _read_text(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv

    content = path.read_bytes()
    # Also a check that all of it is UTF-8, the mark that spreadsheets begin with left aside.
    lines = content.decode("utf-8-sig").splitlines()
    if not lines:
        raise InputError(f"table {printable(path)} is empty; it needs a header and a row for each picture.")
    header = lines[0]
    delimiter = max(DELIMITERS, key=header.count)
    names = next(csv.reader([header], delimiter=delimiter))
    table = pyarrow.csv.read_csv(
        io.BytesIO(content),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        ),
    )
    return table.rename_columns([name.strip() for name in table.column_names])
