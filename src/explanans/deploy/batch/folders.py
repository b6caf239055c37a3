"""Explain many pictures into a folder: one that cannot be read stops nothing, and a second run finishes the first."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from explanans.deploy.batch.changes import Told, compare
from explanans.errors import InputError
from explanans.explanations.batch import Masker, Settings
from explanans.explanations.class_explanation import PICTURES
from explanans.explanations.explain import explain_pictures, pictures_together
from explanans.explanations.explanation import RECORD as EXPLANATION
from explanans.explanations.explanation import RESULT, Explanation
from explanans.explanations.region import RegionSettings
from explanans.explanations.region_files import FILE as REGIONS
from explanans.explanations.region_files import PICTURE as REGION_PICTURE
from explanans.explanations.tiled_explanation import tiled_explanation
from explanans.explanations.tiles import Tiling
from explanans.images.listing import stamp_of
from explanans.images.reading import ImageError, read_image
from explanans.ops.region_library import library
from explanans.utils.records import Kind, read_json, write_json
from explanans.utils.run_folder import as_json, check_same, claimed
from explanans.utils.threads import check_threads, exactly

INDEX = "index.json"
FILE = "file"
"""What ``explanation.json`` says of the picture's file: size, and when it was changed in nanoseconds."""

WAITING = "not explained yet"
RECORD = Kind(
    "folder of explanations",
    "put back a copy of it, or name a new folder",
    {
        "settings": {"classifier": dict, "options": dict},
        "images": [
            {"source": str, "folder": (str, NoneType), "classes": [dict], "failure": (str, NoneType)},
        ],
    },
)


@dataclass(frozen=True)
class Done:
    """What became of one picture.

    Attributes:
        source: the file.
        folder: name of its folder in the output, or None where it failed.
        classes: as in ``explanation.json``: name, probability and receipt of each class that is explained.
        failure: why it failed.
        skipped: it was finished by an earlier run.
    """

    source: str
    folder: str | None = None
    classes: Sequence[Mapping[str, Any]] = ()
    failure: str | None = None
    skipped: bool = False


def folder_name(path: Path) -> str:
    """A name for a picture's folder: its stem, and eight hex digits of its full path that keep equal stems apart."""
    plain = re.sub(r"[^\w-]+", "_", path.stem).encode()[:100].decode(errors="ignore")
    return f"{plain}-{hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:8]}"


def explain_many(
    masker: Masker,
    pictures: Sequence[Path],
    out: str | Path,
    settings: Settings | None = None,
    *,
    regions: RegionSettings | None = None,
    tiling: Tiling | None = None,
    progress: Callable[[Done], None] | None = None,
    told: Told | None = None,
) -> list[Done]:
    """Explain every picture and save each in a folder of its own below ``out``.

    Every folder is written whole or not at all, so whatever kills the run, the next one with the same settings skips
    what is finished, does the rest and ends in the same bytes. A picture is finished if all its files are there and it
    has not been changed since. ``index.json`` has the settings, what became of every picture, and how many threads of a
    processor the first run had: the last bits depend on them, so later ones have as many.

    Args:
        masker: a trained Explainer, or a method of a classifier.
        pictures: files.
        out: a new folder, or that of an earlier run with the same masker and the same settings.
        settings: what is asked; by default the classes that the classifier sees, with receipts.
        regions: make regions of the masks, and tables of those of all pictures
            (:func:`explanans.deploy.batch.region_tables.write_tables`); None for masks alone.
        tiling: explain every picture in tiles; None for whole ones.
        progress: called for every picture when it is done.
        told: is told before any work which pictures were added, changed or are gone since an earlier run. What was made
            of those that are gone stays in ``out``, and leaves the index.

    Returns:
        one entry for each picture, in the pictures' order.

    Raises:
        InputError: an unknown class, ``out`` belongs to a run with other settings, or another process is at it.
        OSError: the disk is full or not writable.
    """
    settings = settings or Settings()
    # Checks names of classes before any work is done.
    asked = settings.selection.requested(masker.explanandum, 1)
    options = {"classes": settings.selection.classes, **settings.to_dict()}
    if regions is not None:
        # Before any work is done.
        library("skimage.morphology")
        options["regions"] = regions.to_dict()
    if tiling is not None:
        options["tiling"] = tiling.to_dict()
    described = as_json({**masker.identity(), "options": options})
    record = Path(out) / INDEX
    stamps = {path: stamp_of(path) for path in pictures}
    with claimed(record, RECORD) as earlier:
        if earlier is not None:
            check_same(record, RECORD, earlier["settings"], described)
            before = {each["source"]: (each.get("size"), each.get("changed")) for each in earlier["images"]}
            changes = compare(before, {str(path): stamp for path, stamp in stamps.items()})
            if changes and told is not None:
                told(changes)
        threads = _threads_of(record, earlier or {})
        run = _Run(masker, Path(out), settings, asked, stamps, regions, tiling, progress or (lambda done: None))
        _write(record, described, threads, run)
        with exactly(threads):
            run.explain()
        _write(record, described, threads, run)
        if regions is not None:
            # Tables take a third of a second to import.
            from explanans.deploy.batch.region_tables import write_tables

            write_tables(out, [Path(out) / done.folder for done in run.results.values() if done.folder is not None])
    return [run.results[path] for path in pictures]


@dataclass
class _Run:
    masker: Masker
    out: Path
    settings: Settings
    asked: Tensor | None
    stamps: Mapping[Path, tuple[int, int]]
    regions: RegionSettings | None
    tiling: Tiling | None
    progress: Callable[[Done], None]
    results: dict[Path, Done] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.stamps:
            if (earlier := self._finished(path)) is not None:
                self._finish(path, earlier)

    def explain(self) -> None:
        if self.tiling is not None:
            for path in self.stamps:
                if path not in self.results:
                    self._explain_tiles(path, self.tiling)
            return
        paths, size = list(self.stamps), pictures_together(self.masker, self.settings)
        for start in range(0, len(paths), size):
            self._explain_batch(paths[start : start + size])

    def _explain_batch(self, paths: Sequence[Path]) -> None:
        """The pictures of a batch that are not finished, computed with those that are: the last bits of a result depend
        on its batch, and are to be the same whenever a run was stopped."""
        waiting = [path for path in paths if path not in self.results]
        read = {path: picture for path in waiting if (picture := self._read(path)) is not None}
        if not read:
            return
        read |= {path: picture for path in paths if path not in waiting and (picture := self._read(path)) is not None}
        ordered = [path for path in paths if path in read]
        requested = None if self.asked is None else self.asked.expand(len(ordered), -1)
        pictures, names = [read[path] for path in ordered], list(map(str, ordered))
        found = explain_pictures(self.masker, pictures, self.settings, names, requested)
        for path, explained in zip(ordered, found, strict=True):
            if path in self.results:
                continue
            if isinstance(explained, ImageError):
                self._finish(path, Done(str(path), failure=explained.reason))
            else:
                self._save(path, explained)

    def _explain_tiles(self, path: Path, tiling: Tiling) -> None:
        picture = self._read(path)
        if picture is None:
            return
        asked = None if self.asked is None else self.asked[0]
        try:
            explained = tiled_explanation(self.masker, picture, self.settings, tiling, str(path), asked)
        except ImageError as error:
            self._finish(path, Done(str(path), failure=error.reason))
        else:
            self._save(path, explained)

    def _read(self, path: Path) -> Image.Image | None:
        try:
            return read_image(path)
        except ImageError as error:
            if path not in self.results:
                self._finish(path, Done(str(path), failure=error.reason))
            return None

    def _save(self, path: Path, explained: Explanation) -> None:
        folder = self.out / folder_name(path)
        if folder.is_dir() and not (folder / RESULT).is_file():
            # Somebody has deleted a part of it.
            shutil.rmtree(folder)
        regions = None
        if self.regions is not None:
            asked = self.masker.explanandum if self.settings.receipts else None
            regions = explained.regions(self.regions, asked)
        facts = {**explained.facts, FILE: _file_facts(self.stamps[path])}
        dataclasses.replace(explained, facts=facts).save(folder, regions)
        self._finish(path, Done(str(path), folder.name, read_json(folder / RESULT, EXPLANATION)["classes"]))

    def _finish(self, path: Path, done: Done) -> None:
        self.results[path] = done
        self.progress(done)

    def _finished(self, path: Path) -> Done | None:
        folder = self.out / folder_name(path)
        try:
            found = read_json(folder / RESULT, EXPLANATION)
        except InputError:
            return None
        names = [found["figure"], *(each[kind] for each in found["classes"] for kind in PICTURES)]
        names += [] if self.regions is None else [REGIONS, REGION_PICTURE]
        whole = all(stamp_of(folder / name)[0] > 0 for name in names)
        if not whole or found.get(FILE) != _file_facts(self.stamps[path]):
            return None
        return Done(str(path), folder.name, found["classes"], skipped=True)


def threads_of(out: str | Path) -> int | None:
    """How many threads of a processor the first run into a folder had; None where it is not known."""
    record = Path(out) / INDEX
    earlier = read_json(record, RECORD) if record.is_file() else {}
    return _threads_of(record, earlier) if "threads" in earlier else None


def _threads_of(record: Path, earlier: Mapping[str, Any]) -> int:
    """Those of the first run; torch's own number where this is the first."""
    kept = earlier.get("threads", torch.get_num_threads())
    try:
        return check_threads("threads", kept)
    except InputError as error:
        raise RECORD.complain(record, f"is damaged: {error.args[0].rstrip('.')}") from error


def _file_facts(stamp: tuple[int, int]) -> dict[str, int]:
    return {"size": stamp[0], "changed": stamp[1]}


def _write(record: Path, settings: Mapping[str, Any], threads: int, run: _Run) -> None:
    entries = []
    for path, stamp in run.stamps.items():
        entry = dataclasses.asdict(run.results.get(path) or Done(str(path), failure=WAITING))
        del entry["skipped"]
        entries.append({**entry, **_file_facts(stamp)})
    write_json(record, RECORD, {"settings": settings, "threads": threads, "images": entries})
