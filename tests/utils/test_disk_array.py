from __future__ import annotations

import numpy as np
import pytest

from explanans.utils.disk_array import DiskArray


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_slices_are_those_of_numpy(dtype: type) -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 200, (17, 11)).astype(dtype)
    stored = DiskArray((17, 11), dtype)
    assert (stored.size, stored.shape) == (187, (17, 11))
    # Not in order, and some rows twice.
    for rows in (slice(9, 17), slice(0, 5), slice(3, 9)):
        stored[rows] = values[rows]
    assert (stored[:] == values).all()
    assert stored[2:5].dtype == values.dtype
    for rows, columns in ((slice(2, 9), slice(3, 4)), (slice(0, 17), slice(0, 11)), (slice(5, 5), slice(1, 3))):
        assert (stored[rows, columns] == values[rows, columns]).all()
        assert stored[rows, columns].shape == values[rows, columns].shape
    assert (stored[12:400] == values[12:]).all()


def test_what_was_not_written_is_zero_and_numbers_are_converted() -> None:
    stored = DiskArray((4, 3), np.uint8)
    stored[1:3] = np.array([1.0, 2.0, 3.0])
    assert stored[:].tolist() == [[0, 0, 0], [1, 2, 3], [1, 2, 3], [0, 0, 0]]


def test_the_file_goes_with_the_array() -> None:
    stored = DiskArray((2, 2), np.uint8)
    file = stored.file
    del stored
    assert file.closed
