"""The folder of a benchmark as it is written: whole files or none, and nothing of another configuration."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from explanans.benchmark.results import MAPS, PART, SETTINGS
from explanans.errors import InputError
from explanans.utils.files import atomic_file

FIXED = ("settings", "data", "threshold_data")
"""Entries of ``benchmark.json`` that decide every number; only where the data lie may change (their hash may not)."""

NAMED = ("classifiers", "methods")
"""Entries of which more may come, while those that are there stay as they are."""


class Folder:
    """Where a benchmark is written.

    Args:
        path: a new or empty folder, or that of a benchmark with the same configuration.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.record: dict[str, Any] = {}

    def claim(self, given: Mapping[str, Any]) -> None:
        """Write ``benchmark.json``; keep the methods, classifiers and thresholds of an earlier run.

        Raises:
            InputError: the folder holds other things, or results of another configuration.
        """
        record: dict[str, Any] = json.loads(json.dumps(given))
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"out={self.path} is a file; name a folder.")
        file = self.path / SETTINGS
        if file.is_file():
            before = json.loads(file.read_text(encoding="utf-8"))
            changed = _differences(before, record)
            if changed:
                raise InputError(
                    f"out={self.path} holds a benchmark of another configuration: {'; '.join(changed[:5])}. Name a new "
                    "folder; methods may be added to this one, the rest has to stay as it is."
                )
            for name in NAMED:
                record[name] = {**before[name], **record[name]}
            for name, facts in before["methods"].items():
                # Of the classifiers that this run leaves out as well.
                record["methods"][name]["weights"] = {**facts["weights"], **record["methods"][name]["weights"]}
            record["thresholds"] = before["thresholds"]
            record["subset"] = record["subset"] or before["subset"]
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise InputError(f"out={self.path} holds other things; name a new folder or empty it.")
        self.record = record
        self.write_record()

    def write_record(self) -> None:
        self._write_json(self.path / SETTINGS, self.record)

    def part(self, kind: str, classifier: str, method: str, number: int) -> Path:
        return self.path / kind / classifier / method / PART.format(number)

    def write_part(
        self, path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema, facts: Mapping[str, Any]
    ) -> None:
        """One batch of rows; ``facts`` (what it cost to make them) are kept as metadata, outside the rows."""
        noted = schema.with_metadata({name: json.dumps(value) for name, value in facts.items()})
        with atomic_file(path) as temporary:
            pq.write_table(pa.Table.from_pylist(list(rows), schema=noted), temporary)

    def json_path(self, kind: str, classifier: str, method: str) -> Path:
        return self.path / kind / classifier / f"{method}.json"

    def write_json(self, kind: str, classifier: str, method: str, data: Mapping[str, Any]) -> None:
        self._write_json(self.json_path(kind, classifier, method), data)

    def write_maps(self, classifier: str, method: str, number: int, maps: Mapping[str, NDArray[np.uint8]]) -> None:
        """The maps of one part that are kept for pictures; :meth:`join_maps` makes one file of all."""
        self._write_npz(self.path / MAPS / classifier / method / f"part-{number:05d}.npz", maps)

    def join_maps(self, classifier: str, method: str) -> None:
        folder = self.path / MAPS / classifier / method
        if not folder.is_dir():
            return
        whole = self.path / MAPS / classifier / f"{method}.npz"
        # What is there already comes from a run that was killed while it removed the parts.
        parts = [*([whole] if whole.is_file() else []), *sorted(folder.glob("part-*.npz"))]
        joined: dict[str, NDArray[np.uint8]] = {}
        for part in parts:
            with np.load(part, allow_pickle=False) as archive:
                joined |= {name: archive[name] for name in archive.files}
        self._write_npz(whole, joined)
        for part in folder.iterdir():
            part.unlink()
        folder.rmdir()

    def _write_npz(self, path: Path, arrays: Mapping[str, NDArray[np.uint8]]) -> None:
        # Not by numpy.savez, whose own arguments are names that no image could have.
        with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, values in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.ascontiguousarray(values), allow_pickle=False)

    def _write_json(self, path: Path, data: Mapping[str, Any]) -> None:
        with atomic_file(path) as temporary:
            text = json.dumps(data, indent=1, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two records, in words."""
    changed = []
    for entry in FIXED:
        old, new = before.get(entry) or {}, now.get(entry) or {}
        changed += [
            f"{entry}.{key} was {_short(old.get(key))}, is {_short(new.get(key))}"
            for key in sorted({*old, *new} - {"source"})
            if old.get(key) != new.get(key)
        ]
    for entry in NAMED:
        for name in before[entry].keys() & now[entry].keys():
            old, new = before[entry][name], now[entry][name]
            for key in sorted({*old, *new}):
                if key == "weights":
                    same = all(new[key][each] == value for each, value in old[key].items() if each in new[key])
                else:
                    same = old.get(key) == new.get(key) or key == "title"
                if not same:
                    changed.append(f"{entry}.{name}.{key} was {_short(old.get(key))}, is {_short(new.get(key))}")
    return changed


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
