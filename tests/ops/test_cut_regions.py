from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explanans.errors import InputError
from explanans.ops import cut_regions as module
from explanans.ops.cut_regions import cut_regions
from explanans.utils.disk_array import DiskArray

pytest.importorskip("skimage", reason="regions need scikit-image")


def drawn(*lines: str) -> np.ndarray:
    return np.array([[".o#".index(each) / 2 for each in line] for line in lines], np.float32)


def test_cut_by_hand() -> None:
    mask = drawn(
        "##....o.",
        "##...o..",
        "........",
        ".#####..",
        ".#...#..",
        ".#.#.#..",
        ".#...#..",
        ".#####.#",
    )
    numbers = cut_regions(mask, 0.5, 1, 0).whole()
    # The frame, the square, the oblique pair, then the single pixels in the order of their rows.
    assert [int((numbers == k).sum()) for k in range(1, 6)] == [16, 4, 2, 1, 1]
    assert numbers[0, 6] == numbers[1, 5] == 3
    assert numbers[5, 3] == 4
    assert cut_regions(mask, 0.51, 1, 0).whole().max() == 4
    assert cut_regions(mask, 0.5, 3, 0).whole().max() == 2
    # The hole around the pixel has 8 pixels; what reaches the edge of the picture is no hole.
    assert (cut_regions(mask, 0.5, 3, 8).whole() == 1).sum() == 16 + 8 + 1
    assert cut_regions(mask, 0.5, 3, 7).whole().max() == 2
    assert (cut_regions(mask, 0.5, 1, 64).whole() > 0).sum() == (mask >= 0.5).sum() + 8
    assert cut_regions(np.zeros((4, 4), np.float32), 0.5, 1, 4).whole().max() == 0
    assert (cut_regions(np.ones((4, 4), np.float32), 0.5, 1, 4).whole() == 1).all()


def whole(mask: np.ndarray, threshold: float, smallest: int, largest_hole: int) -> np.ndarray:
    """The numbers by SciPy on the whole picture at once."""
    ndimage = pytest.importorskip("scipy.ndimage", reason="regions need SciPy")
    inside = mask >= threshold
    holes, count = ndimage.label(~inside)
    for number in range(1, count + 1):
        rows, columns = np.nonzero(holes == number)
        edge = {0, mask.shape[0] - 1} & set(rows.tolist()) or {0, mask.shape[1] - 1} & set(columns.tolist())
        if len(rows) <= largest_hole and not edge:
            inside = inside | (holes == number)
    numbers, count = ndimage.label(inside, np.ones((3, 3)))
    sizes = [int((numbers == number).sum()) for number in range(1, count + 1)]
    kept = sorted((-size, number) for number, size in enumerate(sizes, 1) if size >= smallest)
    return np.sum([rank * (numbers == number) for rank, (_, number) in enumerate(kept, 1)] or [0 * numbers], axis=0)


@pytest.mark.parametrize("seed", range(4))
def test_strips_change_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(seed)
    for _ in range(25):
        mask = (random.integers(0, 256, random.integers(1, 24, 2)) / 255).astype(np.float32)
        threshold, smallest, hole = float(random.random()), int(random.integers(0, 8)), int(random.integers(0, 12))
        wanted = whole(mask, threshold, smallest, hole)
        monkeypatch.setattr(module, "AT_ONCE", int(random.integers(1, mask.size + 2)))
        stored = DiskArray(mask.shape, np.uint8)
        stored[:] = np.rint(mask * 255)
        for given in (mask, stored):
            found = cut_regions(given, threshold, smallest, hole)
            assert (found.whole() == wanted).all()
            for number, (box, size) in enumerate(zip(found.boxes, found.sizes, strict=True), 1):
                assert (found.inside(number) == (wanted[box] == number)).all()
                assert size == (wanted == number).sum()


@pytest.mark.bad_input
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, *others: Any) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("explanans.ops.region_library.importlib.import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'explanans\[regions\]'"):
        cut_regions(np.zeros((2, 2), np.float32), 0.5, 1, 0)
