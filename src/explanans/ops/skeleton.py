"""The middle of a region, a pixel wide, as a graph: branches from knot to knot, without those that lead to a corner."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from explanans.ops.chords import Region

SPUR = 1.5
"""A side branch that is at most so many times as long as the region's half width where it begins is no branch: it leads
to a corner, or to a bump of the edge."""


class Graph:
    """The pixels of a skeleton, each with those it touches."""

    def __init__(self, skeleton: Region, depth: NDArray[np.float64]) -> None:
        self.depth = depth
        self.around: dict[tuple[int, int], list[tuple[int, int]]] = {}
        rows, columns = (values.tolist() for values in np.nonzero(skeleton))
        there = set(zip(rows, columns, strict=True))
        for row, column in there:
            near = [
                (row + i, column + j) for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0)) if (row + i, column + j) in there
            ]
            # A diagonal step only where there is no way around the corner, or every corner were a junction.
            near += [
                (row + i, column + j)
                for i in (-1, 1)
                for j in (-1, 1)
                if (row + i, column + j) in there and (row, column + j) not in there and (row + i, column) not in there
            ]
            self.around[row, column] = near

    def prune(self) -> None:
        """Take side branches off that are no longer than :data:`SPUR` allows, until none is left."""
        changed = True
        while changed:
            changed = False
            for path, free in list(self.paths()):
                if free in ((True, True), (False, False)) or len(path) < 2:
                    continue
                branch = path if free[0] else path[::-1]
                junction = tuple(branch[-1])
                if len(self.around[junction]) > 2 and length_of(branch) <= SPUR * self.depth[junction]:
                    for pixel in map(tuple, branch[:-1]):
                        for other in self.around.pop(pixel):
                            self.around[other].remove(pixel)
                    changed = True

    def paths(self) -> Iterator[tuple[NDArray[np.int64], tuple[bool, bool]]]:
        """Each branch as pixels (K, 2), and whether its first and its last one are free ends; a ring ends where it
        begins."""
        knots = [pixel for pixel, near in self.around.items() if len(near) != 2]
        visited: set[tuple[tuple[int, int], tuple[int, int]]] = set()
        passed = set(knots)
        for knot in knots:
            if not self.around[knot]:
                yield np.array([knot]), (True, True)
            for second in self.around[knot]:
                if (knot, second) in visited:
                    continue
                path = [knot, second]
                while len(self.around[path[-1]]) == 2:
                    passed.add(path[-1])
                    first, last = self.around[path[-1]]
                    path.append(last if first == path[-2] else first)
                    if path[-1] == knot:
                        break
                visited |= {(path[0], path[1]), (path[-1], path[-2])}
                yield np.array(path), (len(self.around[path[0]]) == 1, len(self.around[path[-1]]) == 1)
        for start in self.around:
            if start in passed:
                continue
            ring = [start, self.around[start][0]]
            while ring[-1] != start:
                first, last = self.around[ring[-1]]
                ring.append(last if first == ring[-2] else first)
            passed |= set(ring)
            yield np.array(ring), (False, False)

    def pixels(self) -> NDArray[np.int64]:
        return np.array(list(self.around))

    def length(self) -> float:
        """Of the paths as pixels."""
        return sum(length_of(path) for path, _ in self.paths())

    def has_loop(self) -> bool:
        """Whether there are at least as many links as pixels."""
        return sum(map(len, self.around.values())) // 2 >= len(self.around)


def length_of(path: NDArray[np.int64]) -> float:
    return float(np.hypot(*np.diff(path, axis=0).T).sum())
