from __future__ import annotations

import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import normalise


def test_minmax_is_per_image_and_class() -> None:
    maps = torch.tensor([[[[0.0, 2.0, 4.0]], [[-1.0, 0.0, 3.0]]], [[[10.0, 20.0, 15.0]], [[7.0, 7.0, 7.0]]]])
    expected = torch.tensor([[[[0.0, 0.5, 1.0]], [[0.0, 0.25, 1.0]]], [[[0.0, 1.0, 0.5]], [[0.0, 0.0, 0.0]]]])
    torch.testing.assert_close(normalise(maps, "minmax"), expected)


def test_minmax_stays_in_range() -> None:
    maps = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 1e-30 + 1e-29
    masks = normalise(maps, "minmax")
    assert (masks.amin((2, 3)) == 0).all()
    assert (masks.amax((2, 3)) == 1).all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_minmax_does_not_hide_what_is_not_finite(bad: float) -> None:
    maps = torch.rand(1, 2, 3, 3)
    maps[0, 0, 1, 1] = bad
    masks = normalise(maps, "minmax")
    assert masks[0, 0].isnan().any()
    assert not masks[0, 1].isnan().any()


def test_raw_is_the_identity_on_masks() -> None:
    maps = torch.rand(1, 2, 3, 3)
    maps[0, 0, 0, 0] = torch.nan
    assert normalise(maps, "raw") is maps


@pytest.mark.parametrize("bad", [-0.01, 1.01, torch.inf])
def test_raw_refuses_what_is_no_mask(bad: float) -> None:
    maps = torch.rand(1, 2, 3, 3)
    maps[0, 1, 2, 2] = bad
    with pytest.raises(InputError, match="minmax"):
        normalise(maps, "raw")


def test_bad_input() -> None:
    with pytest.raises(InputError, match="'softmax' is not known"):
        normalise(torch.rand(1, 1, 2, 2), "softmax")
    with pytest.raises(InputError, match=r"floating point \(N, C, H, W\)"):
        normalise(torch.rand(1, 2, 2), "raw")
