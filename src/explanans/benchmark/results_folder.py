"""The folder of a benchmark as it is written: whole files or none, and nothing of another configuration."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from explanans.benchmark.saved_files import FACTS, MAPS, PART, PICTURES, RECORD, SETTINGS, check_record
from explanans.utils.files import atomic_file
from explanans.utils.records import read_arrays, write_json
from explanans.utils.run_folder import as_json, check_same, claimed

FIXED = ("settings", "data", "threshold_data")
"""Entries of ``benchmark.json`` that decide every number; only where the data lie may change (their hash may not)."""

NAMED = ("classifiers", "methods")
"""Entries of which more may come, while those that are there stay as they are."""

NEXT_STEP = "Name a new folder; methods may be added to this one, the rest has to stay as it is."


class Folder:
    """Where a benchmark is written.

    Args:
        path: a new or empty folder, or that of a benchmark with the same configuration.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.record: dict[str, Any] = {}

    @contextmanager
    def claimed(self, given: Mapping[str, Any]) -> Iterator[None]:
        """Keep the folder to this process in the block, with a ``benchmark.json`` that has the methods, classifiers and
        thresholds of an earlier run too.

        Raises:
            InputError: the folder holds other things or results of another configuration, or another process is at it.
        """
        record, file = as_json(given), self.path / SETTINGS
        # Parts are three folders down.
        with claimed(file, RECORD, levels=3) as before:
            if before is not None:
                check_record(file, before)
                check_same(file, RECORD, *_shared(before, record), next_step=NEXT_STEP)
                for name in NAMED:
                    record[name] = {**before[name], **record[name]}
                for name, facts in before["methods"].items():
                    # Of the classifiers that this run leaves out as well.
                    record["methods"][name]["weights"] = {**facts["weights"], **record["methods"][name]["weights"]}
                record["thresholds"] = before["thresholds"]
                record["subset"] = record["subset"] or before["subset"]
            self.record = record
            self.write_record()
            yield

    def write_record(self) -> None:
        write_json(self.path / SETTINGS, RECORD, self.record, indent=1)

    def part(self, kind: str, classifier: str, method: str, number: int) -> Path:
        return self.path / kind / classifier / method / PART.format(number)

    def write_part(
        self, path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema, facts: Mapping[str, Any]
    ) -> None:
        """One batch of rows; ``facts`` (what it cost to make them) are kept as metadata, outside the rows."""
        noted = schema.with_metadata({name: json.dumps(value) for name, value in facts.items()})
        with atomic_file(path) as temporary:
            pq.write_table(pa.Table.from_pylist(list(rows), schema=noted), temporary, write_page_checksum=True)

    def json_path(self, kind: str, classifier: str, method: str) -> Path:
        return self.path / kind / classifier / f"{method}.json"

    def write_json(self, kind: str, classifier: str, method: str, data: Mapping[str, Any]) -> None:
        write_json(self.json_path(kind, classifier, method), FACTS, data, indent=1)

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
            joined |= read_arrays(part, PICTURES)
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


def _shared(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of two records what both have to say the same of."""
    both: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for out, record, other in zip(both, (before, now), (now, before), strict=True):
        for entry in FIXED:
            facts = record.get(entry)
            out[entry] = facts and {key: value for key, value in facts.items() if key != "source"}
        for entry in NAMED:
            common = record[entry].keys() & other[entry].keys()
            out[entry] = {name: _compared(record[entry][name], other[entry][name]) for name in common}
    return both


def _compared(facts: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Without a method's title, and without the weights of classifiers that only one of the records has."""
    out = {key: value for key, value in facts.items() if key != "title"}
    if "weights" in out:
        out["weights"] = {key: value for key, value in facts["weights"].items() if key in other.get("weights", {})}
    return out
