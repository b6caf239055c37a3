"""torchscript:FILE and export:FILE.pt2, programs that PyTorch saved without the code that made them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from explanans.errors import InputError
from explanans.sources.base import Loaded, Source
from explanans.sources.boxes import FileBox, existing, in_batches

UNREADABLE = (RuntimeError, OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


class Program(FileBox):
    """A saved program, with gradients; one that was made for a fixed number of images gets as many, filled up."""

    def __init__(self, file: Path, inner: nn.Module, batch: int | None = None) -> None:
        super().__init__(file)
        self.inner = inner
        self.batch = batch

    def train(self, mode: bool = True) -> Program:
        """Only the flag: an exported program has one mode, and refuses to be asked for another."""
        for part in self.modules():
            part.training = mode
        return self

    def forward(self, images: Tensor) -> Any:
        return in_batches(self.inner, images, self.batch, pad=True) if self.batch else self.inner(images)


def load_torchscript(name: str, weights: str | Path | None) -> Loaded:
    """TorchScript runs in its own interpreter, which can compute and nothing else."""
    spec = f"torchscript:{name}"
    _no_weights(spec, weights)
    file = existing(spec, name)
    try:
        inner = torch.jit.load(str(file), map_location="cpu").eval()
    except UNREADABLE as error:
        raise InputError(f"classifier {spec!r} is no TorchScript file ({_first_line(error)}).") from error
    return Loaded(Program(file, inner), Source(f"torchscript:{file.name}"))


def load_export(name: str, weights: str | Path | None, trust_factory: bool = False) -> Loaded:
    """A program of ``torch.export.save``; PyTorch unpickles parts of it, which can run code."""
    spec = f"export:{name}"
    _no_weights(spec, weights)
    file = existing(spec, name)
    if not trust_factory:
        raise InputError(
            f"classifier {spec!r}: PyTorch reads exported programs with pickle, which can run code that is in the "
            "file. If you trust it, pass trust_factory=True (--trust_factory true)."
        )
    try:
        program = torch.export.load(str(file))
    except UNREADABLE as error:
        raise InputError(f"classifier {spec!r} is no exported program ({_first_line(error)}).") from error
    return Loaded(Program(file, program.module(), _fixed_batch(program)), Source(f"export:{file.name}"))


def _fixed_batch(program: Any) -> int | None:
    """The number of images that the program was exported for; None where it is free."""
    names = set(program.graph_signature.user_inputs)
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in names:
            first = node.meta["val"].shape[0]
            return first if isinstance(first, int) else None
    return None


def _no_weights(spec: str, weights: str | Path | None) -> None:
    if weights is not None:
        raise InputError(f"classifier {spec!r} holds its weights; leave weights={str(weights)!r} out.")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
