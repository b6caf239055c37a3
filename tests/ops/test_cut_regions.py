from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from explanans.errors import InputError
from explanans.ops import cut_regions as module
from explanans.ops.cut_regions import cut_regions, snapped_to_edges
from explanans.ops.refinement import adapt_to_pixels

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
    numbers = cut_regions(mask, 0.5, 1, 0)
    # The frame, the square, the oblique pair, then the single pixels in the order of their rows.
    assert [int((numbers == k).sum()) for k in range(1, 6)] == [16, 4, 2, 1, 1]
    assert numbers[0, 6] == numbers[1, 5] == 3
    assert numbers[5, 3] == 4
    assert cut_regions(mask, 0.51, 1, 0).max() == 4
    assert cut_regions(mask, 0.5, 3, 0).max() == 2
    # The hole around the pixel has 8 pixels; what reaches the edge of the picture is no hole.
    assert (cut_regions(mask, 0.5, 3, 8) == 1).sum() == 16 + 8 + 1
    assert cut_regions(mask, 0.5, 3, 7).max() == 2
    assert (cut_regions(mask, 0.5, 1, 64) > 0).sum() == (mask >= 0.5).sum() + 8
    assert cut_regions(np.zeros((4, 4), np.float32), 0.5, 1, 4).max() == 0
    assert (cut_regions(np.ones((4, 4), np.float32), 0.5, 1, 4) == 1).all()


def test_snapping_in_blocks_is_snapping_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (150, 210, 3), np.uint8)
    mask = random.random((150, 210)).astype(np.float32)
    monkeypatch.setattr(module, "BLOCK", 50)
    monkeypatch.setattr(module, "STEPS", 3)
    found = snapped_to_edges(mask, pixels)
    colours = torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)[None]
    whole = adapt_to_pixels(torch.from_numpy(mask)[None], colours, 3)[0].numpy()
    assert found == pytest.approx(whole, abs=1e-5)


def test_a_border_moves_to_the_edge() -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = 200
    # A border that is blurred and four pixels off.
    mask = np.tile((1 / (1 + np.exp(-(np.arange(60) - 33.5) / 2))).astype(np.float32), (40, 1))
    found = snapped_to_edges(mask, pixels)
    assert abs(int((found >= 0.5).sum(1).mean()) - 30) < abs(int((mask >= 0.5).sum(1).mean()) - 30)
    empty = np.zeros((40, 60), np.float32)
    assert (snapped_to_edges(empty, pixels) == empty).all()


@pytest.mark.bad_input
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, *others: Any) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("explanans.ops.region_library.importlib.import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'explanans\[regions\]'"):
        cut_regions(np.zeros((2, 2), np.float32), 0.5, 1, 0)
