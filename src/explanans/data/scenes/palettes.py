"""Colours of generated scenes. A scene draws one palette; colours are dealt without regard to classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Colour = NDArray[np.float32]

_LUMA = np.array((0.299, 0.587, 0.114), dtype=np.float32)

# Two colours of the ground, then four accents.
_PALETTES = (
    "20304f 3d5a80 ee6c4d f4d35e 98c1d9 e0fbfc",
    "f2e8dc e6ccb2 b5533c 2f4858 e09f3e 6a994e",
    "d8f3dc 95d5b2 1b4332 ff8fa3 ffd166 386fa4",
    "2d1e2f 59344f f7b267 f25c54 a3cef1 f4f1de",
    "fdf0d5 f6d8ae c44536 003049 669bbc e9a03b",
    "e6e0f8 c8b6ff 5a3d9a ff9e3d 38a3a5 ef476f",
    "0b3954 087e8b ffd166 ff5a5f bfd7ea f7fff7",
    "fde2e4 f4c6d2 355070 6d597a e56b6f 43aa8b",
    "1f3b2d 3a5a40 dda15e fefae0 bc6c25 a3b18a",
    "e9ecef c3ccd5 264653 2a9d8f e76f51 e9c46a",
    "12263a 365b6d f4d1ae c5d8d1 e58f65 6fa8a0",
    "fff1d0 f9dcc4 d1495b 00798c edae49 30638e",
)


def _rgb(code: str) -> Colour:
    return np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)], dtype=np.float32)


PALETTES = tuple(tuple(_rgb(code) for code in line.split()) for line in _PALETTES)


def luminance(colour: Colour) -> float:
    return float(colour @ _LUMA)


@dataclass(frozen=True)
class Palette:
    """The colours of one scene: ``ground`` (two) and ``accents`` (four), each RGB in [0, 1]."""

    ground: tuple[Colour, Colour]
    accents: tuple[Colour, ...]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Palette:
        first, second, *accents = PALETTES[rng.integers(len(PALETTES))]
        ground = (first, second) if rng.random() < 0.5 else (second, first)
        return cls(ground, tuple(accents))

    def tint(self, rng: np.random.Generator) -> Colour:
        """An accent, slightly off."""
        return self._jitter(self.accents[rng.integers(len(self.accents))], rng)

    def pair(self, rng: np.random.Generator) -> tuple[Colour, Colour]:
        """Two colours that can be told apart: their luminances differ by about a quarter or more."""
        base = self.tint(rng)
        candidates = [c for c in (*self.accents, *self.ground) if abs(luminance(c) - luminance(base)) >= 0.27]
        # The ground is far from at least one accent in every palette, black and white from every colour.
        other = (
            candidates[rng.integers(len(candidates))] if candidates else np.full(3, luminance(base) < 0.5, np.float32)
        )
        return base, self._jitter(other, rng, 0.02)

    @staticmethod
    def _jitter(colour: Colour, rng: np.random.Generator, spread: float = 0.04) -> Colour:
        return np.clip(colour + rng.normal(0, spread, 3), 0, 1).astype(np.float32)
