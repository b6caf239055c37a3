"""From a mask to regions: cut, small holes filled, small pieces dropped, connected pixels numbered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanans.ops.region_library import library
from explanans.utils.disk_array import DiskArray

AT_ONCE = 1 << 22
"""Pixels that are looked at together; of a larger picture some rows after the others."""

Box = tuple[slice, slice]


def values_of(mask: NDArray[np.float32] | DiskArray, where: Any = slice(None)) -> NDArray[np.float32]:
    """A part of a mask in [0, 1]; one of bytes holds 255 · mask."""
    part = mask[where]
    return np.asarray(part / np.float32(255), np.float32) if part.dtype == np.uint8 else part


@dataclass(frozen=True, eq=False)
class Regions:
    """The connected regions of a mask, from the largest to the smallest.

    Attributes:
        numbers: (H, W), of the piece that a pixel belongs to; a region is one piece or several.
        ranks: which region each piece is of: 1 … R, or 0 for none.
        boxes: rows and columns of each region.
        sizes: pixels of each region.
    """

    numbers: NDArray[np.int32] | DiskArray
    ranks: NDArray[np.int32]
    boxes: list[Box]
    sizes: list[int]

    def inside(self, number: int) -> NDArray[np.bool_]:
        """One region in its box; ``number`` counts from 1."""
        (rows, columns), step = self.boxes[number - 1], _rows_of(self.numbers.shape[1])
        found = np.empty((rows.stop - rows.start, columns.stop - columns.start), bool)
        for top in range(rows.start, rows.stop, step):
            part = slice(top, min(top + step, rows.stop))
            found[part.start - rows.start : part.stop - rows.start] = self.ranks[self.numbers[part, columns]] == number
        return found

    def whole(self) -> NDArray[np.int32]:
        """Numbers (H, W): 0 outside, 1 … R in the regions."""
        return self.ranks[self.numbers[:]]


def cut_regions(mask: NDArray[np.float32] | DiskArray, threshold: float, smallest: int, largest_hole: int) -> Regions:
    """The connected regions in which a mask is at least ``threshold``.

    Pixels that touch at a side or a corner belong together: thin things that run obliquely hang together by corners.
    What is outside hangs together by sides alone. Of a large picture memory holds some rows; which they are changes
    nothing.

    Args:
        mask: (H, W) in [0, 1], or bytes, 255 · mask.
        smallest: regions with fewer pixels are dropped.
        largest_hole: holes of at most so many pixels are filled; 0 for none.

    Raises:
        InputError: scikit-image is not installed.
    """
    height, width = mask.shape
    strips = list(_strips(height, width))
    holes = None
    if largest_hole:
        outside = _Pieces(height, width, corners=False)
        for rows in strips:
            outside.add(rows, ~(values_of(mask, rows) >= threshold))
        holes = outside.few(largest_hole)
    pieces = _Pieces(height, width, corners=True)
    numbers: NDArray[np.int32] | DiskArray
    numbers = np.empty((height, width), np.int32) if len(strips) == 1 else DiskArray((height, width), np.int32)
    for place, rows in enumerate(strips):
        inside = values_of(mask, rows) >= threshold
        if holes is not None:
            inside |= holes[outside.again(place, ~inside)]
        numbers[rows] = pieces.add(rows, inside)
    roots, sizes, boxes = pieces.found()
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] >= max(1, smallest)]
    ranks = np.zeros(len(sizes), np.int32)
    ranks[order] = np.arange(1, len(order) + 1)
    found = [(slice(top, down), slice(left, right)) for top, down, left, right in boxes[order].tolist()]
    return Regions(numbers, ranks[roots], found, sizes[order].tolist())


class _Pieces:
    """Connected pieces of a picture whose rows come strip by strip, numbered in the order of their first pixels.

    A piece that reaches into the next strip gets another number there; the lower of two that touch is the root of both
    (disjoint sets: Galler & Fischer 1964).
    """

    def __init__(self, height: int, width: int, *, corners: bool) -> None:
        self.height, self.corners = height, corners
        self.parents, self.sizes, self.boxes = [0], [np.zeros(1, np.int64)], [np.zeros((1, 4), np.int64)]
        self.firsts: list[int] = []
        self.last = np.zeros(width, np.int32)
        self.at_edge: set[int] = set()

    def add(self, rows: slice, inside: NDArray[np.bool_]) -> NDArray[np.int32]:
        """The next strip (K, W): the number of each pixel's piece, 0 outside."""
        ndimage, first = library("scipy.ndimage"), len(self.parents)
        own, count = ndimage.label(inside, np.ones((3, 3)) if self.corners else None)
        self.firsts.append(first)
        self.parents += range(first, first + count)
        self.sizes.append(np.bincount(own.ravel(), minlength=count + 1)[1:])
        boxes = [(down.start, down.stop, along.start, along.stop) for down, along in ndimage.find_objects(own)]
        shifted = np.array(boxes, np.int64).reshape(-1, 4) + np.array([rows.start, rows.start, 0, 0])
        self.boxes.append(shifted)
        numbers = _numbered(own, first)
        self._join(self.last, numbers[0])
        if self.corners:
            self._join(self.last[1:], numbers[0, :-1])
            self._join(self.last[:-1], numbers[0, 1:])
        self.last = numbers[-1].copy()
        edges = [numbers[:, 0], numbers[:, -1]]
        edges += [numbers[0]] if rows.start == 0 else []
        edges += [numbers[-1]] if rows.stop == self.height else []
        self.at_edge.update(np.unique(np.concatenate(edges)).tolist())
        return numbers

    def again(self, place: int, inside: NDArray[np.bool_]) -> NDArray[np.int32]:
        """What :meth:`add` gave for the strip of that place."""
        return _numbered(
            library("scipy.ndimage").label(inside, np.ones((3, 3)) if self.corners else None)[0], self.firsts[place]
        )

    def found(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The root of every number; of every root its pixels, and its box (top, down, left, right); zeros of others."""
        roots = np.array([self._root(number) for number in range(len(self.parents))], np.int64)
        sizes = np.bincount(roots, np.concatenate(self.sizes), len(roots)).astype(np.int64)
        own = np.concatenate(self.boxes)
        boxes = own.copy()
        for side, better in enumerate((np.minimum, np.maximum, np.minimum, np.maximum)):
            better.at(boxes[:, side], roots, own[:, side])
        return roots, sizes, boxes

    def few(self, most: int) -> NDArray[np.bool_]:
        """Which numbers are of pieces of at most so many pixels that do not reach the picture's edge."""
        roots, sizes, _ = self.found()
        chosen = sizes <= most
        chosen[[self._root(number) for number in self.at_edge]] = False
        chosen[0] = False
        return chosen[roots]

    def _join(self, above: NDArray[np.int32], below: NDArray[np.int32]) -> None:
        touching = (above > 0) & (below > 0)
        for one, other in np.unique(np.stack([above[touching], below[touching]], 1), axis=0).tolist():
            low, high = sorted((self._root(one), self._root(other)))
            self.parents[high] = low

    def _root(self, number: int) -> int:
        while (parent := self.parents[number]) != number:
            # Halves the way for those that come after.
            self.parents[number] = number = self.parents[parent]
        return number


def _numbered(own: NDArray[np.int32], first: int) -> NDArray[np.int32]:
    return np.where(own > 0, own + np.int32(first - 1), np.int32(0))


def _rows_of(width: int) -> int:
    return max(1, AT_ONCE // width)


def _strips(height: int, width: int) -> Iterator[slice]:
    step = _rows_of(width)
    yield from (slice(top, min(top + step, height)) for top in range(0, height, step))
