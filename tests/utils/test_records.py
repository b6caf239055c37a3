from __future__ import annotations

import json
import os
import pickle
from contextlib import suppress
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from explanans.errors import InputError
from explanans.utils import records
from explanans.utils.records import Kind, read_arrays, read_checkpoint, read_json, read_parquet, write_json

KIND = Kind("thing", "make it again", {"seed": int, "names": [str], "parts": {str: {"size": (int, float)}}}, version=2)
GOOD: dict[str, Any] = {"seed": 1, "names": ["ü"], "parts": {"a": {"size": 0.5}, "b": {"size": 2}}}
SCHEMA = pa.schema([("name", pa.string()), ("value", pa.list_(pa.float64()))])
CHECKPOINT = Kind("checkpoint", "train again", {"state_dict": dict, "epoch": int})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def flip(path: Path, *places: int) -> None:
    """Another byte in each place."""
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 0xFF
    path.write_bytes(data)


def test_what_was_written_is_read(file: Path) -> None:
    write_json(file, KIND, GOOD)
    assert read_json(file, KIND) == GOOD
    text = file.read_text(encoding="utf-8")
    assert next(iter(json.loads(text).items())) == ("format", "explanans thing 2")
    assert "ü" in text
    # Before there was such an entry, and by an earlier version.
    for content in (GOOD, {"format": "explanans thing 1", **GOOD}):
        file.write_text(json.dumps(content))
        assert read_json(file, KIND) == GOOD


def test_names_that_are_no_utf8_come_back(file: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    write_json(file, Kind("list", "x"), {"source": name})
    assert read_json(file, Kind("list", "x")) == {"source": name}
    assert file.read_bytes().isascii()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b'{"seed": 1', "is not valid JSON"),
        (b"\xff\xfe{", "is damaged or something else .UnicodeDecodeError"),
        (b"[1]", "holds a list, not names and values"),
        (b"[" * 100_000, "is damaged or something else .RecursionError"),
        (b"{}", "lacks seed, names, parts"),
        (b'{"format": "explanans other 1"}', "is of another kind: explanans other"),
        (b'{"format": 3}', "is of another kind: 3"),
        ({**GOOD, "seed": "1"}, "has a str in seed"),
        ({**GOOD, "seed": True}, "has a bool in seed"),
        ({**GOOD, "names": "abc"}, "has no list in names"),
        ({**GOOD, "names": ["a", None]}, r"has a NoneType in names\[1\]"),
        ({**GOOD, "parts": [1]}, "has something else than names and values in parts"),
        ({**GOOD, "parts": {"a": {}}}, r"lacks parts\.a\.size"),
        ({**GOOD, "parts": {"a": {"size": "1"}}}, r"has a str in parts\.a\.size"),
    ],
)
def test_what_is_no_such_record_is_named(file: Path, content: Any, fault: str) -> None:
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(InputError, match=rf"file \(thing\) {fault}.*; make it again\."):
        read_json(file, KIND)


def test_a_later_version_asks_for_a_later_explanans(file: Path) -> None:
    file.write_text('{"format": "explanans thing 3"}')
    with pytest.raises(InputError, match=r"is of version 3, and this explanans reads up to 2; update it"):
        read_json(file, KIND)


def test_missing_files_folders_and_forbidden_ones(file: Path) -> None:
    with pytest.raises(InputError, match=r"file \(thing\) is missing; make it again"):
        read_json(file, KIND)
    file.mkdir()
    with pytest.raises(InputError, match=r"file \(thing\) is a folder, not a file; make it again"):
        read_json(file, KIND)


def test_a_type_may_be_one_of_several(file: Path) -> None:
    kind = Kind("thing", "x", {"a": (str, NoneType)})
    for value in ("s", None):
        file.write_text(json.dumps({"a": value}))
        assert read_json(file, kind) == {"a": value}


@pytest.fixture
def table(file: Path) -> Path:
    rows = {"more": [1] * 500, "name": [str(n) for n in range(500)], "value": [[n, 0.5] for n in range(500)]}
    noted = pa.schema([("more", pa.int64()), *SCHEMA], {"note": "x"})
    pq.write_table(pa.table(rows, noted), file, write_page_checksum=True)
    return file


def test_columns_of_a_table(table: Path) -> None:
    found = read_parquet(table, KIND, SCHEMA)
    assert found.schema.names == ["name", "value"]
    assert found.schema.metadata is None
    assert found["value"][7].as_py() == [7.0, 0.5]


@pytest.mark.parametrize("length", [0, 1, 8, 100, 3000, -1])
def test_a_table_that_was_cut(table: Path, length: int) -> None:
    table.write_bytes(table.read_bytes()[:length])
    with pytest.raises(InputError, match=r"\(thing\) is .*; make it again"):
        read_parquet(table, KIND, SCHEMA)


@pytest.mark.bad_input
@pytest.mark.parametrize("place", [5, 400, 2500, 4000, -200, -6])
def test_a_table_with_a_damaged_byte(table: Path, place: int) -> None:
    whole = read_parquet(table, KIND, SCHEMA)
    flip(table, place)
    # Or the byte is in a column or a statistic that nobody asked for.
    with suppress(InputError):
        assert read_parquet(table, KIND, SCHEMA).equals(whole)


@pytest.mark.bad_input
@pytest.mark.parametrize("wrong", [pa.schema([("other", pa.string())]), pa.schema([("name", pa.int64())])])
def test_a_table_of_something_else(table: Path, wrong: pa.Schema) -> None:
    with pytest.raises(InputError, match=r"has no columns (other|name) of the right type; make it again"):
        read_parquet(table, KIND, wrong)


def test_arrays(file: Path) -> None:
    with file.open("wb") as out:
        np.savez_compressed(out, a=np.arange(500), b=np.zeros((2, 3), np.uint8))
    found = read_arrays(file, KIND)
    assert found["a"].tolist() == list(range(500))
    assert found["b"].shape == (2, 3)
    whole = file.read_bytes()
    for content in (b"", b"no archive", whole[:-30], whole[:50]):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"file \(thing\) is .*; make it again"):
            read_arrays(file, KIND)
    file.write_bytes(whole)
    flip(file, 200)
    with pytest.raises(InputError, match=r"file \(thing\) is damaged or something else"):
        read_arrays(file, KIND)


@pytest.mark.bad_input
def test_arrays_run_no_code(file: Path) -> None:
    with file.open("wb") as out:
        np.savez(out, a=np.array([len], object))
    with pytest.raises(InputError, match="allow_pickle"):
        read_arrays(file, KIND)
    with file.open("wb") as out:
        np.save(out, np.zeros(3))
    with pytest.raises(InputError, match="holds one array without a name"):
        read_arrays(file, KIND)


def test_checkpoints(file: Path) -> None:
    content = {"state_dict": {"w": torch.arange(1000.0)}, "epoch": 3}
    torch.save(content, file)
    assert read_checkpoint(file, CHECKPOINT)["epoch"] == 3
    whole = file.read_bytes()
    place = whole.index(torch.arange(1000.0).numpy().tobytes()[4:64])
    flip(file, place + 2000)
    # torch itself loads it, with another weight.
    assert not torch.equal(torch.load(file, weights_only=True)["state_dict"]["w"], torch.arange(1000.0))
    with pytest.raises(InputError, match=r"\(checkpoint\) is damaged \(.* has a wrong checksum\); train again"):
        read_checkpoint(file, CHECKPOINT)
    for cut in (b"", whole[:100], whole[:-100], b"no archive", pickle.dumps({"state_dict": {}})):
        file.write_bytes(cut)
        with pytest.raises(InputError, match=r"file \(checkpoint\) is .*; train again"):
            read_checkpoint(file, CHECKPOINT)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([1], "holds a list"),
        ({"epoch": 1}, "lacks state_dict"),
        ({"state_dict": [], "epoch": 1}, "something else than|has a list in state_dict"),
        ({"state_dict": {}, "epoch": len}, "is damaged or something else"),
    ],
)
def test_a_checkpoint_of_something_else(file: Path, content: Any, fault: str) -> None:
    torch.save(content, file)
    with pytest.raises(InputError, match=fault):
        read_checkpoint(file, CHECKPOINT)


def test_permission_denied_is_said(file: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: permission denied"), records.reading(file, KIND):
        raise PermissionError("no")
