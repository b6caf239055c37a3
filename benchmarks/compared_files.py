"""What is compared of the files that a command leaves: bytes, and values where any two runs differ in bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import torch

from explanans.benchmark.saved_files import PICTURES
from explanans.utils.records import read_arrays

SKIPPED = (".lock", "tfevents", "costs/")
"""Parts of names of files that differ between any two runs."""


def rows_of(path: Path) -> object:
    """A table without what it cost to make it, which is the clock's."""
    return repr(pq.read_table(path, partitioning=None).replace_schema_metadata(None).to_pylist())


def arrays_of(path: Path) -> object:
    return {name: (values.shape, values.tobytes()) for name, values in read_arrays(path, PICTURES).items()}


def values_of(path: Path) -> object:
    """Everything in a checkpoint, by name: weights, moments, what Lightning remembers. The order in which it was
    pickled, and which tensors share their memory, do not count."""

    def flat(value: object, name: str) -> Iterator[tuple[str, object]]:
        if isinstance(value, torch.Tensor):
            pixels = value.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
            yield name, (value.dtype, tuple(value.shape), pixels)
        elif isinstance(value, dict):
            for key, inner in value.items():
                yield from flat(inner, f"{name}/{key}")
        elif isinstance(value, list | tuple):
            for number, inner in enumerate(value):
                yield from flat(inner, f"{name}/{number}")
        else:
            yield name, value

    return dict(flat(torch.load(path, "cpu", weights_only=True), ""))


READERS: dict[str, Callable[[Path], object]] = {".ckpt": values_of, ".npz": arrays_of, ".parquet": rows_of}
"""What is compared of files in which something differs between any two runs; of all others the bytes."""


def contents(out: Path) -> dict[str, object]:
    """What is compared of every file."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_file() and not any(part in name for part in SKIPPED):
            try:
                found[name] = READERS.get(path.suffix, Path.read_bytes)(path)
            # A reader fails on a damaged file as it likes.
            except Exception as error:
                found[name] = error
    return found
