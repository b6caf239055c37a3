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
BATCHES = (1, 3)
GENERATED = 4
# Not squares of the size that was traced, and multiples of what encoders halve.
OTHER_SIZES = ((1.0, 1.5), (1.5, 1.0))
STEP = 64


@dataclass(frozen=True)
class Check:
    """Largest absolute difference of a mask value or probability, and on how many images it was looked for."""

    difference: float
    images: int
    resize_difference: float | None = None


def compare(
    path: Path,
    module: nn.Module,
    preprocessing: Preprocessing,
    pictures: Sequence[Any],
    *,
    inside: bool,
    dynamic_size: bool,
) -> Check:
    """Run the graph and the module that it was traced from on the same inputs, at batch sizes 1 and 3, and at other
    heights and widths where they are free.

    ``resize_difference``, with preprocessing inside: how far masks are from those of the package's own way, which
    resizes with Pillow and rounds; mean over the pixels of an image, at its worst over the images.
    """
    opened = [read_image(each) for each in pictures] or check_pictures(GENERATED)
    session = open_session(path)
    found, count = 0.0, 0
    resized: list[float] = []
    if inside:
        for picture in opened:
            given = torch.from_numpy(np.asarray(picture).copy())[None]
            answers = answer(session, given)
            found = max(found, _difference(answers, module, given))
            with torch.no_grad():
                own = cast(nn.Module, module.inner)(preprocessing(picture)[None])[-1]
            resized.append(float((torch.from_numpy(answers[-1]) - own).abs().mean()))
            count += 1
        return Check(found, count, max(resized))
    images = torch.stack([preprocessing(picture) for picture in opened])
    for size in BATCHES:
        for part in images.split(size):
            found = max(found, _difference(answer(session, part), module, part))
    count = len(images)
    if dynamic_size:
        for tall, wide in OTHER_SIZES:
            shape = [
                max(STEP, round(side * by / STEP) * STEP)
                for side, by in ((preprocessing.height, tall), (preprocessing.width, wide))
            ]
            part = torch.nn.functional.interpolate(images[:2], shape, mode="bilinear")
            found = max(found, _difference(answer(session, part), module, part))
            count += len(part)
    return Check(found, count)


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


@torch.no_grad()
def _difference(answers: Sequence[np.ndarray], module: nn.Module, given: Tensor) -> float:
    expected = module(given)
    worst = 0.0
    for one, other in zip(answers, expected, strict=True):
        if tuple(one.shape) != tuple(other.shape):
            return float("inf")
        worst = max(worst, float((torch.from_numpy(one) - other).abs().max()))
    return worst
