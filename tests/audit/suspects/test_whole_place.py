from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.audit.suspects.cell_pixels import sameness
from explanans.audit.suspects.whole_place import whole_place


def test_sameness_by_hand() -> None:
    usual = np.zeros(2, np.float32)
    assert sameness(np.array([[1, 0], [2, 0]], np.float32), usual) == pytest.approx(1)
    assert sameness(np.array([[1, 0], [0, 1]], np.float32), usual) == pytest.approx(0, abs=1e-6)
    assert sameness(np.array([[1, 0], [-1, 0]], np.float32), usual) == pytest.approx(-1)
    # A third of three pairs are alike.
    assert sameness(np.array([[1, 0], [1, 0], [0, 1]], np.float32), usual) == pytest.approx(1 / 3)
    # Of several places at once, each for itself.
    both = np.array([[[1, 0], [1, 0]], [[1, 0], [0, 1]]], np.float32)
    assert sameness(both, np.zeros((2, 2), np.float32)) == pytest.approx([1, 0], abs=1e-6)


def noise(count: int, seed: int) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def framed() -> Tensor:
    """Twenty images with a violet frame of one cell, and a violet block apart from it."""
    images = noise(20, 0)
    inner = images[:, :, 2:-2, 2:-2].clone()
    images[:] = torch.tensor([0.6, 0.2, 0.8])[:, None, None]
    images[:, :, 2:-2, 2:-2] = inner
    images[:, :, 12:16, 12:16] = torch.tensor([0.6, 0.2, 0.8])[:, None, None]
    return images


@pytest.fixture
def side() -> np.ndarray:
    """The left side of the frame and a column of cells beside it, as coarse masks keep it."""
    region = np.zeros((16, 16), bool)
    region[:, :2] = True
    return region


def test_one_side_of_a_frame_is_the_whole_frame(framed: Tensor, side: np.ndarray) -> None:
    expected = side.copy()
    expected[[0, -1]], expected[:, -1] = True, True
    assert (whole_place(side, framed, noise(30, 1)) == expected).all()


def test_what_touches_at_a_corner_belongs_to_it(framed: Tensor) -> None:
    region = np.zeros((16, 16), bool)
    region[5, 5] = True
    expected = region.copy()
    expected[6:8, 6:8] = True
    assert (whole_place(region, framed, noise(30, 1)) == expected).all()


def test_what_all_photos_have_does_not_belong_to_it(framed: Tensor, side: np.ndarray) -> None:
    others = noise(30, 1)
    others[:, :, 2:, -2:] = framed[:1, :, 2:, -2:]
    others[:, :, -2:] = framed[:1, :, -2:]
    expected = side.copy()
    expected[0] = True
    assert (whole_place(side, framed, others) == expected).all()


def test_few_photos_may_be_alike_by_chance(framed: Tensor, side: np.ndarray) -> None:
    assert (whole_place(side, framed[:19], noise(30, 1)) == side).all()
    assert (whole_place(side, framed, noise(19, 1)) == side).all()
