"""Explain many pictures into a folder: one that cannot be read stops nothing, and a second run finishes the first."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from PIL import Image
from torch import Tensor

from explanans.explanations.batch import Masker, Settings
from explanans.explanations.explain import explain_pictures
from explanans.explanations.explanation import RECORD as EXPLANATION
from explanans.explanations.explanation import RESULT
from explanans.images.reading import ImageError, read_image
from explanans.utils.records import Kind, read_json, write_json
from explanans.utils.run_folder import as_json, check_same, claimed

INDEX = "index.json"
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
    progress: Callable[[Done], None] | None = None,
) -> list[Done]:
    """Explain every picture and save each in a folder of its own below ``out``.

    Every folder is written whole or not at all, so whatever kills the run, the next one with the same settings skips
    what is finished and does the rest. ``index.json`` has the settings and, in the end, what became of every picture.

    Args:
        masker: a trained Explainer, or a method of a classifier.
        pictures: files.
        out: a new folder, or that of an earlier run with the same masker and the same settings.
        settings: what is asked; by default the classes that the classifier sees, with receipts.
        progress: called for every picture when it is done.

    Returns:
        one entry for each picture, in the pictures' order.

    Raises:
        InputError: an unknown class, or ``out`` belongs to a run with other settings or that another process is at.
        OSError: the disk is full or not writable.
    """
    out = Path(out)
    settings = settings or Settings()
    # Checks names of classes before any work is done.
    asked = settings.selection.requested(masker.explanandum, 1)
    options = {"classes": settings.selection.classes, **settings.to_dict()}
    described = as_json({**masker.identity(), "options": options})
    record = out / INDEX
    with claimed(record, RECORD) as earlier:
        if earlier is None:
            _write(record, described, [])
        else:
            check_same(record, RECORD, earlier["settings"], described)
        results = _explain_waiting(masker, pictures, out, settings, asked, progress or (lambda done: None))
        ordered = [results[path] for path in pictures]
        _write(record, described, ordered)
    return ordered


def _explain_waiting(
    masker: Masker,
    pictures: Sequence[Path],
    out: Path,
    settings: Settings,
    asked: Tensor | None,
    progress: Callable[[Done], None],
) -> dict[Path, Done]:
    results: dict[Path, Done] = {}

    def finish(path: Path, done: Done) -> None:
        results[path] = done
        progress(done)

    waiting: list[Path] = []
    for path in pictures:
        earlier = _finished(path, out)
        if earlier is None:
            waiting.append(path)
        else:
            finish(path, earlier)
    for start in range(0, len(waiting), settings.batch_size):
        readable: dict[Path, Image.Image] = {}
        for path in waiting[start : start + settings.batch_size]:
            try:
                readable[path] = read_image(path)
            except ImageError as error:
                finish(path, Done(str(path), failure=error.reason))
        if not readable:
            continue
        requested = None if asked is None else asked.expand(len(readable), -1)
        found = explain_pictures(masker, list(readable.values()), settings, list(map(str, readable)), requested)
        for path, explained in zip(readable, found, strict=True):
            if isinstance(explained, ImageError):
                finish(path, Done(str(path), failure=explained.reason))
                continue
            folder = explained.save(out / folder_name(path))
            finish(path, Done(str(path), folder.name, _classes_in(folder)))
    return results


def _finished(path: Path, out: Path) -> Done | None:
    result = out / folder_name(path) / RESULT
    # A picture that was changed after it was explained is explained again.
    if not result.is_file() or not path.is_file() or path.stat().st_mtime > result.stat().st_mtime:
        return None
    return Done(str(path), result.parent.name, _classes_in(result.parent), skipped=True)


def _classes_in(folder: Path) -> Sequence[Mapping[str, Any]]:
    return read_json(folder / RESULT, EXPLANATION)["classes"]


def _write(record: Path, settings: Mapping[str, Any], results: Sequence[Done]) -> None:
    entries = [dataclasses.asdict(done) for done in results]
    for entry in entries:
        del entry["skipped"]
    write_json(record, RECORD, {"settings": settings, "images": entries})
