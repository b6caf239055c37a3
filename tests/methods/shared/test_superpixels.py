from __future__ import annotations

import numpy
import pytest
import torch

from explanans.methods.shared.superpixels import lab, superpixels


def test_colours_by_hand() -> None:
    pixels = torch.tensor([[1.0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]]).T[None, :, None]
    found = lab(pixels)[0, :, 0].T
    expected = torch.tensor([[100.0, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]])
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)


def test_colours_against_scikit_image() -> None:
    colour = pytest.importorskip("skimage.color")
    picture = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = colour.rgb2lab(picture[0].permute(1, 2, 0).numpy())
    numpy.testing.assert_allclose(lab(picture)[0].permute(1, 2, 0).numpy(), expected, atol=0.02)


def test_borders_follow_the_colours() -> None:
    # The border runs at 13, off the grid of cells.
    picture = torch.zeros(1, 3, 32, 40)
    picture[:, 0, :, :13] = 1
    picture[:, 2, :, 13:] = 1
    labels = superpixels(picture, 20)
    assert labels.shape == (1, 32, 40)
    left, right = set(labels[0, :, :13].unique().tolist()), set(labels[0, :, 13:].unique().tolist())
    assert not left & right
    assert sorted(left | right) == list(range(len(left | right)))
    assert 12 <= len(left | right) <= 20


def test_a_flat_picture_is_cut_into_cells() -> None:
    labels = superpixels(torch.full((2, 3, 30, 30), 0.5), 9)
    sizes = labels[0].flatten().bincount()
    assert len(sizes) == 9
    assert sizes.min() > 50
    assert torch.equal(labels[0], labels[1])


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_unusual_counts(count: int) -> None:
    labels = superpixels(torch.rand(1, 3, 7, 9, generator=torch.Generator().manual_seed(0)), count)
    assert labels.min() == 0
    assert len(labels.unique()) == labels.max() + 1 <= 63
