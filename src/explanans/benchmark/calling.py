"""Ask a method for maps: timed, with draws that belong to the image, and no failure lost."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.methods.base import Method, PairMethod

MEASURED, HELD_OUT = "measured", "held out"
"""The splits by what they are for: images that are scored, and images that best thresholds are chosen on."""


WHOLE = 254
"""Of so many classes all maps are made, zeros too. Of more, a thousand maps of 224 x 224 pixels would take 200 MB for
each image, and nearly all of them are never looked at."""


def seed_of(*parts: int | str) -> int:
    """A seed in [0, 2⁶³) that depends on the parts alone, in every process alike.

    Each thing that is drawn has one of its own, so that neither order nor batches nor resumption change a draw.
    """
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Called:
    """What a method said.

    Attributes:
        maps: raw, (N, C, H, W), or (N, K, H, W) of ``columns``; NaN for an image on which the method failed.
        errors: for each image why it failed ("": it did not).
        columns: (K,), the classes that were asked for in one of the images, where there are many; None for all.
    """

    maps: Tensor
    errors: list[str]
    columns: Tensor | None = None

    def of(self, classes: Tensor) -> Tensor:
        """What is known of all classes (N, C), of those that ``maps`` are of."""
        return classes if self.columns is None else classes[:, self.columns]


def columns_of(targets: Tensor) -> Tensor | None:
    """The classes (K,) of which maps are made for ``targets`` (N, C), in ascending order; None for all."""
    return targets.any(0).nonzero().flatten() if targets.shape[1] > WHOLE else None


def timed(
    method: Method, images: Tensor, targets: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, float]:
    """A method's maps, checked for shape and type, and the seconds that it took, synchronised before and after.

    They are (N, C, H, W), or (P, H, W) of the P pairs asked for where there are more than :data:`WHOLE` classes.
    """
    synchronise(images.device)
    start = time.perf_counter()
    many = columns_of(targets) is not None
    expected: tuple[int, ...] = (*targets.shape, *images.shape[-2:])
    if many and isinstance(method, PairMethod):
        maps = method.pairs(images, targets, generator)
        expected = (int(targets.sum()), *images.shape[-2:])
    else:
        maps = method(images, targets) if generator is None else method(images, targets, generator)
    synchronise(images.device)
    seconds = time.perf_counter() - start
    if tuple(maps.shape) != expected:
        raise InputError(f"returned maps of shape {tuple(maps.shape)}; expected {expected}.")
    if not maps.is_floating_point():
        raise InputError(f"returned maps of type {maps.dtype}; expected floating point.")
    return maps[targets] if many and maps.ndim == 4 else maps, seconds


def synchronise(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


class Caller:
    """A method that is asked for maps as a benchmark needs it.

    What a method draws for an image follows from (seed, name, split, index of the image). A method that draws is
    therefore asked one image at a time; whether it does is seen on the first image. Where a call for several images
    fails, each is asked for by itself, so that one image costs no other its map.

    Args:
        name: of the method in the benchmark.
        method: as made.
        seed: of the benchmark.
    """

    def __init__(self, name: str, method: Method, seed: int) -> None:
        self.name = name
        self.method = method
        self.seed = seed
        self._draws: bool | None = None

    def __call__(self, images: Tensor, targets: Tensor, indices: Sequence[int], split: str = MEASURED) -> Called:
        """Maps of N images for the classes asked for (N, C), the images being those at ``indices`` of the split."""
        if len(images) > 1 and not self.draws(images[:1], targets[:1], indices[0]):
            try:
                return Called(self.ask(images, targets, indices[0], split), [""] * len(images), columns_of(targets))
            except Exception:
                # Not lost: the image that it belongs to fails again below, and is reported with its message.
                pass
        columns, errors = columns_of(targets), []
        classes = targets.shape[1] if columns is None else len(columns)
        maps = images.new_full((len(images), classes, *images.shape[-2:]), torch.nan)
        for n, index in enumerate(indices):
            rows = slice(n, n + 1)
            try:
                maps[rows] = self.ask(images[rows], targets[rows], index, split, columns)
                errors.append("")
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
        return Called(maps, errors, columns)

    def ask(
        self, images: Tensor, targets: Tensor, index: int, split: str = MEASURED, columns: Tensor | None = None
    ) -> Tensor:
        """Maps in the images' own type; what the method writes into its input reaches nobody else.

        They are of ``columns`` where there are many classes; None for those of the targets.
        """
        maps, _ = timed(self.method, images.clone(), targets.clone(), self.generator(index, images.device, split))
        columns = columns_of(targets) if columns is None else columns
        if columns is None:
            return maps.to(images)
        wide = images.new_zeros(len(images), len(columns), *images.shape[-2:])
        wide[targets[:, columns]] = maps.to(images)
        return wide

    def draws(self, image: Tensor, targets: Tensor, index: int) -> bool:
        """Whether the method draws anything at random for this image."""
        if self._draws is None:
            generator = self.generator(index, image.device)
            before = generator.get_state()
            try:
                timed(self.method, image.clone(), targets.clone(), generator)
            except Exception:
                # Nobody can tell yet; one at a time is right for every method.
                return True
            self._draws = not torch.equal(before, generator.get_state())
        return self._draws

    def generator(self, index: int, device: torch.device, split: str = MEASURED) -> torch.Generator:
        place = (index,) if split == MEASURED else (split, index)
        return torch.Generator(device).manual_seed(seed_of(self.seed, self.name, *place))
