"""The annotations of one file as memory-mapped arrays that all processes share."""

from __future__ import annotations

import hashlib
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explanans.data.datasets.coco.annotations import Arrays, coordinates, parse_annotations
from explanans.data.datasets.coco.categories import COCO_CLASSES
from explanans.data.datasets.coco.masks import Instance
from explanans.errors import InputError
from explanans.utils.files import atomic_file, cache_folder
from explanans.utils.progress import Progress

FORMAT = 1
"""Raised whenever an index written before could not be read, or would be read differently."""


class AnnotationIndex:
    """What an annotation file says, by image.

    A copy in another process, forked or pickled, maps the same file: its pages are in memory once.

    Attributes:
        path: the annotation file.
        digest: its SHA-256.
        ids: (n,) int64, the images' numbers, ascending; a row is a place in this list.
    """

    def __init__(self, path: Path, file: Path, key: dict[str, Any]) -> None:
        content = _read(file, key)
        if content is None:
            raise InputError(f"the index {file} of {path} is gone or was replaced; open the data set again.")
        self.path = path
        self.digest: str = content["digest"]
        self._origin = (path, file, key)
        self._arrays: Arrays = {name: tensor.numpy() for name, tensor in content["arrays"].items()}
        self.ids = self._arrays["image_id"]

    def __reduce__(self) -> tuple[Any, ...]:
        return AnnotationIndex, self._origin

    def size(self, row: int) -> tuple[int, int]:
        """(height, width) in pixels."""
        return int(self._arrays["height"][row]), int(self._arrays["width"][row])

    def file_names(self, rows: np.ndarray) -> list[str]:
        names = np.ascontiguousarray(self._arrays["file_name"][rows])
        return [name.decode() for name in names.view(f"S{names.shape[1]}").ravel().tolist()]

    def annotated(self) -> np.ndarray:
        """(n,) bool: images with at least one annotation, be it of a crowd."""
        return np.diff(self._arrays["first"]) > 0

    def labels(self, crowd: bool) -> np.ndarray:
        """(n, 80) float32, multi-hot; ``crowd``: whether crowd regions count."""
        order = self._arrays["order"]
        image = np.repeat(np.arange(len(self.ids)), np.diff(self._arrays["first"]))
        counted = slice(None) if crowd else ~self._arrays["crowd"][order]
        labels = np.zeros((len(self.ids), len(COCO_CLASSES)), dtype=np.float32)
        labels[image[counted], self._arrays["category"][order][counted]] = 1
        return labels

    def instances(self, row: int) -> list[Instance]:
        """The annotations of an image in the order of their numbers."""
        arrays = self._arrays
        return [self._instance(a) for a in arrays["order"][arrays["first"][row] : arrays["first"][row + 1]]]

    def _instance(self, a: int) -> Instance:
        arrays = self._arrays
        first, last = arrays["parts"][a], arrays["parts"][a + 1]
        ends = arrays["numbers"][first : last + 1]
        polygons = [coordinates(arrays["points"][start:end]) for start, end in pairwise(ends)]
        code = arrays["codes"][arrays["code_ends"][a] : arrays["code_ends"][a + 1]].tobytes()
        return Instance(int(arrays["category"][a]), bool(arrays["crowd"][a]), polygons, code)


def open_index(path: Path) -> AnnotationIndex:
    """The index of an annotation file; made at the first call, which takes a while and says how far it is.

    It is a file beside the annotations or, where that folder cannot be written to, in the cache folder
    (:func:`~explanans.utils.files.cache_folder`). It belongs to the annotation file's size and time of change; after a
    change it is made anew. It may be deleted at any time.

    Raises:
        InputError: there is no such file, or it is no annotation file of COCO.
    """
    if not path.is_file():
        raise InputError(f"annotation file {path} does not exist; it is in COCO's annotations_trainval2014.zip.")
    state = path.stat()
    key = {"format": FORMAT, "size": state.st_size, "changed": state.st_mtime_ns}
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    beside, elsewhere = path.with_name(f"{path.name}.index"), cache_folder() / "coco" / f"{place}.index"
    for file in (beside, elsewhere):
        if _read(file, key) is not None:
            return AnnotationIndex(path, file, key)
    content = {**key, **_parsed(path)}
    try:
        _write(content, beside)
        return AnnotationIndex(path, beside, key)
    except OSError:
        # A data folder that may only be read is the rule on clusters.
        _write(content, elsewhere)
        return AnnotationIndex(path, elsewhere, key)


def _parsed(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged or no JSON ({error}); fetch the file anew.") from error
    del data
    with Progress(f"reading {path.name}", len(text)) as progress:
        arrays = parse_annotations(path, text, lambda position: progress.set(done=position))
    return {"digest": digest, "arrays": {name: torch.tensor(array) for name, array in arrays.items()}}


def _read(file: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """The content of an index that belongs to ``key``; None where there is none."""
    if not file.is_file():
        return None
    try:
        content = torch.load(file, mmap=True, weights_only=True)
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
        # No index of ours, or a damaged one: another is made in its place.
        return None
    fits = isinstance(content, dict) and all(content.get(name) == value for name, value in key.items())
    return content if fits else None


def _write(content: dict[str, Any], file: Path) -> None:
    # By its name, torch would keep a file open that did not fit on the disk, and the room that it takes.
    with atomic_file(file) as temporary, temporary.open("wb") as opened:
        torch.save(content, opened)
