"""How bad it is: for each photo and class in a folder of explanations, area, number, length and width of regions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from explanans.deploy.batch.encode import parquet
from explanans.deploy.batch.explained import read_index
from explanans.explanations.explanation import RECORD, RESULT
from explanans.explanations.region_files import FILE, KIND, csv_text
from explanans.ops.targets import class_index
from explanans.utils.files import atomic_file
from explanans.utils.records import read_json

COLUMNS = pa.schema(
    [
        *(("picture", pa.string()), ("class", pa.string()), ("probability", pa.float64())),
        *(("number", pa.int64()), ("area", pa.int64())),
        *(("fine_area", pa.float64()), ("share", pa.float64())),
        *(("length", pa.float64()), ("longest", pa.float64()), ("widest", pa.float64())),
        *(("area_mm2", pa.float64()), ("length_mm", pa.float64())),
        *(("longest_mm", pa.float64()), ("widest_mm", pa.float64())),
    ]
)
"""Of a table of severities; sizes in millimetres where the regions have a scale."""


def sums(regions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the regions of one class in one photo, each a row of a table of regions: number, area, fine area, share,
    length of all, longest, widest; 0 without a region."""
    rows = list(regions)
    scale = next((row["mm_per_pixel"] for row in rows if row["mm_per_pixel"] is not None), None)
    found = {
        "number": len(rows),
        "area": sum(row["area"] for row in rows),
        "fine_area": sum(row["fine_area"] for row in rows),
        "share": sum(row["share"] for row in rows),
        "length": sum(row["length"] for row in rows),
        "longest": max((row["length"] for row in rows), default=0.0),
        "widest": max((row["largest_width"] for row in rows), default=0.0),
    }
    for name, pixels, power in (
        ("area_mm2", "fine_area", 2),
        *((f"{each}_mm", each, 1) for each in ("length", "longest", "widest")),
    ):
        found[name] = None if scale is None else found[pixels] * scale**power
    return found


def severity(explanations: str | Path, classes: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """A row of :data:`COLUMNS` for each photo and class.

    Args:
        explanations: a folder that ``explanans explain --regions`` wrote.
        classes: have a row for every photo, with zeros where the class is not explained; None for the classes that are
            explained, photo by photo.

    Raises:
        InputError: no such folder, one without regions, or a class that the classifier does not have: in zeros it would
            look like a wall without cracks.
    """
    rows = []
    checked = classes is None
    for each in read_index(explanations)["images"]:
        if each["folder"] is None:
            continue
        folder = Path(explanations) / each["folder"]
        if not checked:
            names = list(read_json(folder / RESULT, RECORD)["probabilities"])
            for name in classes or ():
                class_index(name, names, "classes")
            checked = True
        found = read_json(folder / FILE, KIND)
        known = {entry["name"]: entry["probability"] for entry in found["classes"]}
        for name in known if classes is None else classes:
            own = (feature["properties"] for feature in found["features"] if feature["properties"]["class"] == name)
            rows.append({"picture": each["source"], "class": name, "probability": known.get(name), **sums(own)})
    return rows


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
    """As ``path``.csv and ``path``.parquet."""
    contents = {
        ".csv": csv_text(rows, schema.names).encode(errors="backslashreplace"),
        ".parquet": parquet(rows, schema),
    }
    for suffix, content in contents.items():
        with atomic_file(path.with_name(path.name + suffix)) as temporary:
            temporary.write_bytes(content)
