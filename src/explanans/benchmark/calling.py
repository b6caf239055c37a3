"""Ask a method for maps: timed, with draws that belong to the image, and no failure lost."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.methods.base import Method

MEASURED, HELD_OUT = "measured", "held out"
"""The splits by what they are for: images that are scored, and images that best thresholds are chosen on."""


def seed_of(*parts: int | str) -> int:
    """A seed in [0, 2⁶³) that depends on the parts alone, in every process alike.

    Each thing that is drawn has one of its own, so that neither order nor batches nor resumption change a draw.
    """
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Called:
    """Raw maps (N, C, H, W), NaN for an image on which the method failed, and for each image why ("": it did not)."""

    maps: Tensor
    errors: list[str]


def timed(
    method: Method, images: Tensor, targets: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, float]:
    """A method's maps, checked for shape and type, and the seconds that it took, synchronised before and after."""
    synchronise(images.device)
    start = time.perf_counter()
    maps = method(images, targets) if generator is None else method(images, targets, generator)
    synchronise(images.device)
    seconds = time.perf_counter() - start
    expected = (*targets.shape, *images.shape[-2:])
    if tuple(maps.shape) != expected:
        raise InputError(f"returned maps of shape {tuple(maps.shape)}; expected {expected}.")
    if not maps.is_floating_point():
        raise InputError(f"returned maps of type {maps.dtype}; expected floating point.")
    return maps, seconds


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
                return Called(self.ask(images, targets, indices[0], split), [""] * len(images))
            except Exception:
                # Not lost: the image that it belongs to fails again below, and is reported with its message.
                pass
        maps, errors = images.new_full((*targets.shape, *images.shape[-2:]), torch.nan), []
        for n, index in enumerate(indices):
            rows = slice(n, n + 1)
            try:
                maps[rows] = self.ask(images[rows], targets[rows], index, split)
                errors.append("")
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
        return Called(maps, errors)

    def ask(self, images: Tensor, targets: Tensor, index: int, split: str = MEASURED) -> Tensor:
        """Maps in the images' own type; what the method writes into its input reaches nobody else."""
        maps, _ = timed(self.method, images.clone(), targets.clone(), self.generator(index, images.device, split))
        return maps.to(images)

    def draws(self, image: Tensor, targets: Tensor, index: int) -> bool:
        """Whether the method draws anything at random for this image."""
        if self._draws is None:
            generator = self.generator(index, image.device)
            before = generator.get_state()
            try:
                self.method(image.clone(), targets.clone(), generator)
            except Exception:
                # Nobody can tell yet; one at a time is right for every method.
                return True
            self._draws = not torch.equal(before, generator.get_state())
        return self._draws

    def generator(self, index: int, device: torch.device, split: str = MEASURED) -> torch.Generator:
        place = (index,) if split == MEASURED else (split, index)
        return torch.Generator(device).manual_seed(seed_of(self.seed, self.name, *place))
