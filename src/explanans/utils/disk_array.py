"""A two-dimensional array in a temporary file, of which memory holds what is being looked at."""

from __future__ import annotations

import tempfile
import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class DiskArray:
    """Written and read by slices, ``array[rows]`` or ``array[rows, columns]`` as a NumPy array is; zeros where nothing
    was written. The file is deleted with the array.

    Mapped files would do the same, but count as the process's memory while they are looked at.

    Args:
        shape: (H, W).
    """

    def __init__(self, shape: tuple[int, int], dtype: DTypeLike) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed when nobody needs it any more
        self.file.truncate(shape[0] * shape[1] * self.dtype.itemsize)
        weakref.finalize(self, self.file.close)

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    def __getitem__(self, where: slice | tuple[slice, slice]) -> NDArray[Any]:
        rows, columns = self._bounds(where)
        found = np.empty((len(rows), len(columns)), self.dtype)
        if len(columns) == self.shape[1]:
            self._seek(rows.start, 0)
            self._read(found)
        else:
            for place, row in enumerate(rows):
                self._seek(row, columns.start)
                self._read(found[place])
        return found

    def __setitem__(self, rows: slice, values: NDArray[Any]) -> None:
        numbers, _ = self._bounds(rows)
        whole = np.broadcast_to(np.asarray(values, self.dtype), (len(numbers), self.shape[1]))
        self._seek(numbers.start, 0)
        left = memoryview(np.ascontiguousarray(whole).data).cast("B")
        while left:
            left = left[self.file.write(left) :]

    def _bounds(self, where: slice | tuple[slice, slice]) -> tuple[range, range]:
        rows, columns = where if isinstance(where, tuple) else (where, slice(None))
        return range(*rows.indices(self.shape[0])), range(*columns.indices(self.shape[1]))

    def _seek(self, row: int, column: int) -> None:
        self.file.seek((row * self.shape[1] + column) * self.dtype.itemsize)

    def _read(self, values: NDArray[Any]) -> None:
        left = memoryview(values.data).cast("B") if values.size else memoryview(b"")
        while left:
            left = left[self.file.readinto(left) :]
