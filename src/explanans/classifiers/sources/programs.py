"""torchscript:FILE and export:FILE.pt2, programs that PyTorch saved without the code that made them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from explanans.classifiers.sources.shared.base import Loaded, Source
from explanans.classifiers.sources.shared.boxes import (
    FileBox,
    Outputs,
    as_logits,
    existing,
    first_line,
    in_batches,
    refuse_weights,
)
from explanans.classifiers.sources.shared.exported import batch_range, check_evaluation_mode, image_shape, with_layers
from explanans.classifiers.sources.shared.logits import logits_of
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.query_options import join_options, split_options
from explanans.utils.typed import Count

UNREADABLE = (RuntimeError, OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


class Program(FileBox):
    """A saved program, with gradients.

    Args:
        file: where it lies.
        inner: images → logits, or what ``outputs`` says.
        outputs: what it returns.
        smallest, largest: numbers of images that it takes at once (None: any). More are given in parts, fewer are
            followed by zeros whose answers are dropped.
        shape: (C, H, W) of an image, None where it is free.
    """

    def __init__(
        self,
        file: Path,
        inner: nn.Module,
        outputs: Outputs = "logits",
        *,
        smallest: int = 1,
        largest: int | None = None,
        shape: Sequence[int | None] = (None, None, None),
    ) -> None:
        super().__init__(file, outputs)
        self.inner = inner
        self.smallest, self.largest = smallest, largest
        self.shape = tuple(shape)

    def train(self, mode: bool = True) -> Program:
        """Only the flag: an exported program has one mode, and refuses to be asked for another."""
        for part in self.modules():
            part.training = mode
        return self

    def forward(self, images: Tensor) -> Tensor:
        self.check_shape(images.shape[1:])
        answer = in_batches(self._answer, images, smallest=self.smallest, largest=self.largest)
        return as_logits(answer, self.outputs)

    def _answer(self, images: Tensor) -> Tensor:
        return logits_of(self.inner(images))

    def check_shape(self, given: Sequence[int]) -> None:
        """An InputError for images (C, H, W) of another shape than the program was made for."""
        if any(own not in (None, other) for own, other in zip(self.shape, given, strict=True)):
            raise InputError(
                f"{self.file} takes images of (channels, height, width) = {self.shape}, not {tuple(given)}; give the "
                "preprocessing that it was made for."
            )

    @torch.no_grad()
    def learn_batch(self, preprocessing: Preprocessing) -> None:
        """What was traced may hold for one image at a time; try two."""
        grey = torch.zeros(2, preprocessing.channels, preprocessing.height, preprocessing.width)
        try:
            alone = self._answer(grey[:1])
        except RuntimeError:
            return
        try:
            fits = len(self._answer(grey)) == 2
        except RuntimeError:
            fits = False
        if not fits and len(alone) == 1:
            self.smallest = self.largest = 1


def load_torchscript(name: str, weights: str | Path | None, trust_factory: bool = False) -> Loaded:
    """TorchScript runs in an interpreter of its own, which knows no Python but can write files."""
    spec = f"torchscript:{name}"
    file, outputs, options, batch = _read(spec, name, weights, {"outputs": Outputs, "batch": Count})
    _require_trust(spec, trust_factory, "a TorchScript program can read and write any of your files when it runs")
    try:
        inner = torch.jit.load(str(file), map_location="cpu").eval()
    except UNREADABLE as error:
        raise InputError(f"classifier {spec!r} is no TorchScript file ({first_line(error)}).") from error
    program = Program(file, inner, outputs, smallest=batch or 1, largest=batch)
    return Loaded(
        program,
        Source(f"torchscript:{file.name}{options}"),
        activation=None if outputs == "logits" else outputs,
        check=program.learn_batch if batch is None else None,
    )


def load_export(name: str, weights: str | Path | None, trust_factory: bool = False) -> Loaded:
    """A program of ``torch.export.save``; PyTorch unpickles parts of it, which can run code."""
    spec = f"export:{name}"
    file, outputs, options, _ = _read(spec, name, weights, {"outputs": Outputs})
    _require_trust(spec, trust_factory, "PyTorch reads exported programs with pickle, which can run code in the file")
    try:
        exported = torch.export.load(str(file))
    except UNREADABLE as error:
        raise InputError(f"classifier {spec!r} is no exported program ({first_line(error)}).") from error
    check_evaluation_mode(spec, exported)
    smallest, largest = batch_range(exported)
    program = Program(
        file, with_layers(exported), outputs, smallest=smallest, largest=largest, shape=image_shape(spec, exported)
    )
    return Loaded(
        program,
        Source(f"export:{file.name}{options}"),
        activation=None if outputs == "logits" else outputs,
        check=lambda given: program.check_shape((given.channels, given.height, given.width)),
    )


def _read(
    spec: str, name: str, weights: str | Path | None, known: Mapping[str, Any]
) -> tuple[Path, Outputs, str, int | None]:
    """File, what it returns, its options as they were written, and images at a time."""
    name, options = split_options(name, known, f"classifier {spec!r}")
    refuse_weights(spec, weights)
    return existing(spec, name), options.get("outputs", "logits"), join_options(options), options.get("batch")


def _require_trust(spec: str, trusted: bool, danger: str) -> None:
    if not trusted:
        raise InputError(
            f"classifier {spec!r}: {danger}. If you trust where it comes from, pass trust_factory=True "
            "(--trust_factory)."
        )
