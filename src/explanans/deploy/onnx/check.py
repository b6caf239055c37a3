"""Whether an ONNX graph gives the numbers that PyTorch gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import read_image

TOLERANCE = 1e-4
FINISHED_TOLERANCE = 1e-3
"""Of masks that are finished, in which logits are stretched after the network."""
BATCHES = (1, 3)
GENERATED = 4
# Not squares of the size that was traced, and multiples of what encoders halve.
OTHER_SIZES = ((1.0, 1.5), (1.5, 1.0))
STEP = 64


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes:
        difference: largest absolute difference of a mask value or probability.
        images: on which it was looked for.
        resize_difference: see :func:`compare`.
        masks: of these images.
        cut_elsewhere: how many of them are the same but for another cut, where two were as good up to rounding; their
            values do not count for ``difference``.
    """

    difference: float
    images: int
    resize_difference: float | None = None
    masks: int = 0
    cut_elsewhere: int = 0


def compare(
    path: Path,
    module: nn.Module,
    preprocessing: Preprocessing,
    pictures: Sequence[Any],
    *,
    inside: bool,
    dynamic_size: bool,
    tolerance: float = TOLERANCE,
    moves: Sequence[float] = (),
) -> Check:
    """Run the graph and the module that it was traced from on the same inputs, at batch sizes 1 and 3, and at other
    heights and widths where they are free.

    ``resize_difference``, with preprocessing inside: how far masks are from those of the package's own way, which
    resizes with Pillow and rounds; mean over the pixels of an image, at its worst over the images.

    Args:
        tolerance: masks that differ by more are looked at for another cut.
        moves: by how much the logits of a mask may differ where it was cut elsewhere.
    """
    opened = [read_image(each) for each in pictures] or check_pictures(GENERATED)
    session = open_session(path)
    count, found = 0, _Differences(module, tolerance, moves)
    resized: list[float] = []
    if inside:
        for picture in opened:
            given = torch.from_numpy(np.asarray(picture).copy())[None]
            answers = answer(session, given)
            found.add(answers, given)
            with torch.no_grad():
                own = cast(nn.Module, module.inner)(preprocessing(picture)[None])[-1]
            resized.append(float((torch.from_numpy(answers[-1]) - own).abs().mean()))
            count += 1
        return Check(found.worst, count, max(resized), found.masks, found.cut_elsewhere)
    images = torch.stack([preprocessing(picture) for picture in opened])
    for size in BATCHES:
        for part in images.split(size):
            found.add(answer(session, part), part)
    count = len(images)
    if dynamic_size:
        for tall, wide in OTHER_SIZES:
            shape = [
                max(STEP, round(side * by / STEP) * STEP)
                for side, by in ((preprocessing.height, tall), (preprocessing.width, wide))
            ]
            part = torch.nn.functional.interpolate(images[:2], shape, mode="bilinear")
            found.add(answer(session, part), part)
            count += len(part)
    return Check(found.worst, count, None, found.masks, found.cut_elsewhere)


def check_pictures(count: int) -> list[Image.Image]:
    """Generated pictures: smooth colours with noise, of several sizes."""
    random = np.random.default_rng(0)
    made = []
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        pixels = np.asarray(coarse.resize((320 + 16 * number, 240), Image.Resampling.BICUBIC), np.float32)
        made.append(Image.fromarray((pixels + random.normal(0, 12, pixels.shape)).clip(0, 255).astype(np.uint8)))
    return made


def open_session(path: Path, threads: int | None = None) -> Any:
    """A session of onnxruntime on the processor; None takes as many threads as PyTorch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def answer(session: Any, given: Tensor) -> list[np.ndarray]:
    """The graph's outputs.

    Raises:
        InputError: it cannot be run on these.
    """
    try:
        return session.run(None, {session.get_inputs()[0].name: given.numpy()})
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"export: the graph cannot be run on {tuple(given.shape)} ({reason}).") from error


class _Differences:
    """Of a graph's answers from those of the module that it was traced from."""

    def __init__(self, module: nn.Module, tolerance: float, moves: Sequence[float]) -> None:
        self.module, self.tolerance, self.moves = module, tolerance, moves
        self.worst, self.masks, self.cut_elsewhere = 0.0, 0, 0

    @torch.no_grad()
    def add(self, answers: Sequence[np.ndarray], given: Tensor) -> None:
        for one, other in zip(answers, self.module(given), strict=True):
            if tuple(one.shape) != tuple(other.shape):
                self.worst = float("inf")
                return
            found = torch.from_numpy(one)
            if other.ndim != 4:
                self.worst = max(self.worst, float((found - other).abs().max()))
                continue
            for mask, expected in zip(found.flatten(0, 1), other.flatten(0, 1), strict=True):
                self._add_mask(mask, expected)

    def _add_mask(self, mask: Tensor, expected: Tensor) -> None:
        self.masks += 1
        far = float((mask - expected).abs().max())
        logits = expected.double().logit()
        if far > self.tolerance and any(
            float(((logits + move).sigmoid() - mask).abs().max()) <= self.tolerance for move in self.moves
        ):
            self.cut_elsewhere += 1
        else:
            self.worst = max(self.worst, far)
