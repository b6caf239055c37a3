"""The regions of all pictures that were explained into folders, in one table and in one annotation file as COCO's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from explanans.deploy.batch.encode import parquet
from explanans.explanations.region_files import COLUMNS, FILE, KIND, coco_annotations, csv_text
from explanans.utils.files import atomic_file
from explanans.utils.records import read_json

WHOLE = {"class_index": pa.int32(), "region": pa.int32()}
WHOLE |= dict.fromkeys(("area", "left", "top", "width", "height"), pa.int64())
TEXT = ("picture", "class", "word")
SCHEMA = pa.schema([(name, WHOLE.get(name, pa.string() if name in TEXT else pa.float64())) for name in COLUMNS])

CSV, PARQUET, COCO = "regions.csv", "regions.parquet", "regions.coco.json"


def write_tables(out: str | Path, folders: Sequence[Path]) -> None:
    """Write ``regions.csv``, ``regions.parquet`` (the same rows) and ``regions.coco.json`` into ``out``.

    Args:
        folders: of single pictures, each with a ``regions.json``.

    Raises:
        InputError: one of these is missing or damaged.
        OSError: the disk is full or not writable.
    """
    rows = [
        {**dict.fromkeys(COLUMNS), "picture": each["source"], **feature["properties"]}
        for each in _read(folders)
        for feature in each["features"]
    ]
    annotations = json.dumps(coco_annotations(_read(folders)), ensure_ascii=False)
    contents = {
        CSV: csv_text(rows, COLUMNS).encode(errors="backslashreplace"),
        PARQUET: parquet(rows, SCHEMA),
        COCO: f"{annotations}\n".encode(errors="backslashreplace"),
    }
    for name, content in contents.items():
        with atomic_file(Path(out) / name) as temporary:
            temporary.write_bytes(content)


def _read(folders: Sequence[Path]) -> Iterator[dict[str, Any]]:
    yield from (read_json(folder / FILE, KIND) for folder in folders)
