"""Explain many pictures into a folder: one that cannot be read stops nothing, and a second run finishes the first."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from PIL import Image

from explanans.classifiers.sources import hash_weights
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations.explanation import RESULT, Explanation
from explanans.images.reading import ImageError, read_image
from explanans.utils.files import atomic_file, claimed_folder

INDEX = "index.json"


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
    return f"{plain}-{hashlib.sha256(os.path.realpath(path).encode()).hexdigest()[:8]}"


def explain_many(
    explainer: Explainer,
    pictures: Sequence[Path],
    out: str | Path,
    *,
    batch_size: int = 8,
    progress: Callable[[Done], None] | None = None,
    **options: Any,
) -> list[Done]:
    """Explain every picture and save each in a folder of its own below ``out``.

    Every folder is written whole or not at all, so whatever kills the run, the next one with the same settings skips
    what is finished and does the rest. ``index.json`` has the settings and, in the end, what became of every picture.

    Args:
        explainer: a trained one.
        pictures: files.
        out: a new folder, or that of an earlier run with the same Explainer and the same options.
        batch_size: pictures in one forward pass.
        progress: called for every picture when it is done.
        options: for :func:`explanans.explanations.explanation.explain`.

    Returns:
        one entry for each picture, in the pictures' order.

    Raises:
        InputError: ``out`` belongs to a run with other settings, or another process is writing into it.
        OSError: the disk is full or not writable.
    """
    out = Path(out)
    settings = json.loads(json.dumps({**explainer_identity(explainer), "options": options}))
    with claimed_folder(out, INDEX):
        _claim(out, settings)
        results = _explain_waiting(explainer, pictures, out, batch_size, progress or (lambda done: None), options)
        ordered = [results[path] for path in pictures]
        _write(out, settings, ordered)
    return ordered


def _explain_waiting(
    explainer: Explainer,
    pictures: Sequence[Path],
    out: Path,
    batch_size: int,
    progress: Callable[[Done], None],
    options: Mapping[str, Any],
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
    for start in range(0, len(waiting), batch_size):
        readable: dict[Path, Image.Image] = {}
        for path in waiting[start : start + batch_size]:
            try:
                readable[path] = read_image(path)
            except ImageError as error:
                finish(path, Done(str(path), failure=error.reason))
        for path, explained in _explained(explainer, readable, options):
            if isinstance(explained, InputError):
                finish(path, Done(str(path), failure=str(explained)))
                continue
            folder = dataclasses.replace(explained, source=str(path)).save(out / folder_name(path))
            finish(path, Done(str(path), folder.name, _classes_in(folder)))
    return results


def explainer_identity(explainer: Explainer) -> dict[str, Any]:
    """What tells one Explainer from another: its weights, its network, its classifier."""
    calibration = [float(explainer.scale), float(explainer.shift)]
    return {
        "explainer": {
            "network": explainer.network_name,
            "weights_hash": hash_weights(explainer.network),
            "calibration": calibration,
        },
        "classifier": explainer.explanandum.identity(),
    }


def _explained(
    explainer: Explainer, pictures: Mapping[Path, Image.Image], options: Mapping[str, Any]
) -> Iterator[tuple[Path, Explanation | InputError]]:
    """All at once; where something is wrong with one of them, one by one, to find out which."""
    paths = list(pictures)
    try:
        batch = cast(list[Explanation], explainer.explain(list(pictures.values()), **options))
        yield from zip(paths, batch, strict=True)
    except InputError:
        for path in paths:
            try:
                yield path, cast(Explanation, explainer.explain(pictures[path], **options))
            except InputError as error:
                yield path, error


def _finished(path: Path, out: Path) -> Done | None:
    result = out / folder_name(path) / RESULT
    # A picture that was changed after it was explained is explained again.
    if not result.is_file() or not path.is_file() or path.stat().st_mtime > result.stat().st_mtime:
        return None
    return Done(str(path), result.parent.name, _classes_in(result.parent), skipped=True)


def _classes_in(folder: Path) -> Sequence[Mapping[str, Any]]:
    return json.loads((folder / RESULT).read_text(encoding="utf-8"))["classes"]


def _claim(out: Path, settings: Mapping[str, Any]) -> None:
    index = out / INDEX
    if not index.is_file():
        _write(out, settings, [])
    elif json.loads(index.read_text(encoding="utf-8"))["settings"] != settings:
        raise InputError(f"out={out} holds explanations that were made with other settings; name a new folder.")


def _write(out: Path, settings: Mapping[str, Any], results: Sequence[Done]) -> None:
    entries = [dataclasses.asdict(done) for done in results]
    for entry in entries:
        del entry["skipped"]
    with atomic_file(out / INDEX) as temporary:
        text = json.dumps({"settings": settings, "images": entries}, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
