"""A large picture in overlapping tiles, each explained as a picture of its own: their masks blended, their receipts
merged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from explanans.errors import InputError
from explanans.explanations.receipt import Kept, Other, Receipt
from explanans.ops.windows import windows

Merge = Literal["max", "mean", "whole"]

SMALLEST = 16
"""Pixels of a tile's side."""

AT_ONCE = 64
"""Rows of a blended mask that are handed on together."""


@dataclass(frozen=True)
class Tiling:
    """How a picture is taken apart.

    Attributes:
        size: of a tile, in pixels of the picture; it is resized to the classifier's input.
        overlap: the share of a tile that the next one shows too, at least; in [0, 0.9]. With 0 masks have seams.
        merge: what a class's probability on the whole picture is: the highest of the tiles, their mean, or what the
            classifier says of the whole picture at its input's size.
    """

    size: int
    overlap: float = 0.5
    merge: Merge = "max"

    def __post_init__(self) -> None:
        if self.size < SMALLEST:
            raise InputError(f"tile={self.size}; give the side of a tile in pixels of the picture, from {SMALLEST} up.")
        if not 0 <= self.overlap <= 0.9:
            raise InputError(f"overlap={self.overlap} is a share of a tile and must lie in [0, 0.9].")
        if self.merge not in get_args(Merge):
            raise InputError(f"merge={self.merge!r}; take one of {', '.join(get_args(Merge))}.")

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Tile:
    """What was found of one class in one tile.

    Attributes:
        left, top: of the tile, in pixels of the picture.
        column: of the class.
        probability: of the class in the tile.
        receipt: what the classifier says about the mask in the tile.
        offset: of its mask among those that are kept.
    """

    left: int
    top: int
    column: int
    probability: float
    receipt: Receipt | None
    offset: int


@dataclass
class Tiled:
    """A picture whose tiles are explained.

    Attributes:
        picture: RGB.
        tiling: how it was taken apart.
        answers: probabilities (T, C) of every tile, row by row.
        probabilities: (C,), merged.
        tiles: what was found, in the order of the tiles.
        shape: (h, w) of a tile's mask.
        file: the masks, 8 bits for each pixel, on the disk.
    """

    picture: Image.Image
    tiling: Tiling
    lefts: list[int]
    tops: list[int]
    answers: Tensor
    probabilities: Tensor
    shape: tuple[int, int]
    file: IO[bytes]
    tiles: list[Tile] = field(default_factory=list)

    @property
    def across(self) -> int:
        """A tile's width."""
        return min(self.tiling.size, self.picture.width)

    @property
    def down(self) -> int:
        """A tile's height."""
        return min(self.tiling.size, self.picture.height)

    def of(self, column: int) -> list[Tile]:
        """The tiles in which a class was found."""
        return [tile for tile in self.tiles if tile.column == column]

    def blend(self, column: int, write: Callable[[int, NDArray[np.float32]], None]) -> None:
        """Hand the mask of a class to ``write``, some rows (K, W) at a time, with the number of the first.

        At each pixel the sum of the tiles' masks, enlarged bilinearly, times weights that sum to one
        (:func:`explanans.ops.windows.windows`); a tile in which the class was not found adds nothing. One row of tiles
        is in memory.
        """
        width, down = self.picture.width, self.down
        vertical, horizontal = windows(self.tops, down, self.picture.height), windows(self.lefts, self.across, width)
        band = torch.zeros(down, width)
        found: dict[int, list[Tile]] = {}
        for tile in self.of(column):
            found.setdefault(tile.top, []).append(tile)
        for row, top in enumerate(self.tops):
            for tile in found.get(top, ()):
                size = (down, self.across)
                mask = functional.interpolate(self._mask(tile), size, mode="bilinear", antialias=True)[0, 0]
                weights = vertical[row][:, None] * horizontal[self.lefts.index(tile.left)]
                band[:, tile.left : tile.left + self.across].addcmul_(mask, weights)
            done = (self.tops[row + 1] if row + 1 < len(self.tops) else top + down) - top
            for first in range(0, done, AT_ONCE):
                write(top + first, band[first : min(first + AT_ONCE, done)].clamp(0, 1).numpy())
            band = torch.cat([band[done:], torch.zeros(done, width)])

    def _mask(self, tile: Tile) -> Tensor:
        self.file.seek(tile.offset)
        content = np.frombuffer(self.file.read(self.shape[0] * self.shape[1]), np.uint8)
        return torch.from_numpy(content.reshape(1, 1, *self.shape).astype(np.float32) / 255)

    def receipt(self, column: int, area: float, classes: list[str], threshold: float) -> Receipt | None:
        """What the tiles' receipts say together of the mask of a class; None where they have none.

        As the probability of the whole is merged, so is the one on what the masks keep, and the one on what they
        remove, to which a tile without a mask adds its own probability. ``area`` is the blended mask's.
        """
        found = self.of(column)
        made = [tile.receipt for tile in found if tile.receipt is not None]
        if not made or len(made) < len(found):
            return None
        empty = self._without(found, column)
        fills = {
            name: Kept(
                self._merged([each.fills[name].kept for each in made], [0.0] * len(empty)),
                self._merged([each.fills[name].removed for each in made], empty),
            )
            for name in made[0].fills
        }
        others = [each.other for each in made if each.other is not None]
        other = None
        if others:
            most = max(others, key=lambda each: each.kept)
            of_name = [each.kept for each in others if each.name == most.name]
            kept = self._merged(of_name, [0.0] * (len(self.answers) - len(of_name)))
            other = Other(most.name, float(self.probabilities[classes.index(most.name)]), kept)
        return Receipt(
            whole=float(self.probabilities[column]),
            fills=fills,
            area=area,
            mask_threshold=threshold,
            elsewhere=self._merged([each.elsewhere for each in made], [0.0] * len(empty)),
            other=other,
        )

    def _without(self, found: list[Tile], column: int) -> list[float]:
        """The class's probability in the tiles in which it has no mask."""
        there = {(tile.top, tile.left) for tile in found}
        corners = [(top, left) for top in self.tops for left in self.lefts]
        return [float(row[column]) for corner, row in zip(corners, self.answers, strict=True) if corner not in there]

    def _merged(self, found: list[float], others: list[float]) -> float:
        values = [*found, *others]
        return sum(values) / len(values) if self.tiling.merge == "mean" else max(values)

    def facts(self, classes: list[str]) -> dict[str, Any]:
        """As JSON: the tiling, the number of tiles, and of each tile and class probability and receipt."""
        found = [
            {
                **{"left": tile.left, "top": tile.top, "width": self.across, "height": self.down},
                "class": classes[tile.column],
                "probability": tile.probability,
                **({} if tile.receipt is None else _short(tile.receipt)),
            }
            for tile in self.tiles
        ]
        return {**self.tiling.to_dict(), "tiles": len(self.answers), "found": found}


def _short(receipt: Receipt) -> dict[str, Any]:
    return {name: getattr(receipt, name) for name in ("kept", "removed", "elsewhere", "area", "score", "word")}
