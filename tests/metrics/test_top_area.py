from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import average_drop, average_increase, kept_removed, kept_top, top_area


def test_the_highest_pixels_keep_their_values() -> None:
    mask = torch.tensor([[[0.1, 0.8, 0.3, 0.6]], [[0.5, 0.5, 0.5, 0.5]]])
    assert torch.equal(top_area(mask, 0.5), torch.tensor([[[0, 0.8, 0, 0.6]], [[0.5, 0.5, 0, 0]]]))
    assert torch.equal(top_area(mask[:, None], 0.25), torch.tensor([[[0, 0.8, 0, 0]], [[0.5, 0, 0, 0]]]))
    assert torch.equal(top_area(mask, 1), mask)
    assert not top_area(torch.full((1, 2, 2), math.nan), 0.5).any()


def pictures() -> tuple[Tensor, Tensor]:
    """Images of ones, and masks that fall from the left to the right and from the right to the left."""
    ramp = torch.linspace(1, 0.125, 8).expand(4, 8)
    return torch.ones(2, 3, 4, 8), torch.stack([ramp, ramp.flip(1)])


def test_by_hand(halves) -> None:
    images, mask = pictures()
    found = kept_top(halves, images, mask, torch.zeros_like(images), shares=(1.0, 0.5, 0.25), batch_size=4)
    # The means of the left half: of 1, 7/8, 6/8, 5/8; then the lower half of the values is gone; then all but two.
    left, right = 6.5 / 8, 2.5 / 8
    assert found[0].flatten().tolist() == pytest.approx([left, right, left, 0, 3.75 / 8, 0])
    assert found[1].flatten().tolist() == pytest.approx([right, left, 0, left, 0, 3.75 / 8])
    assert halves.batches == [4, 2]
    # At the whole area it is what the mask keeps.
    kept, _ = kept_removed(halves, images, mask, torch.zeros_like(images))
    torch.testing.assert_close(found[:, 0], kept)
    whole = halves(images)
    assert average_drop(whole, found[:, 1])[0].tolist() == pytest.approx([1 - left, 1])
    assert average_increase(whole * 0.4, found[:, 2])[0].tolist() == [1, 0]


def test_hidden_pixels_are_the_background_and_nan_stays_nan(halves) -> None:
    images, mask = pictures()
    mask[1, 0, 0] = math.nan
    found = kept_top(halves, torch.zeros_like(images), mask, images, shares=(0.5,))
    assert found[0, 0].tolist() == pytest.approx([1 - 6.5 / 8, 1])
    assert found[1].isnan().all()


def test_bad_input(halves) -> None:
    images, mask = pictures()
    for share in (0.0, 1.5, math.nan):
        with pytest.raises(InputError, match=f"share={share}"):
            kept_top(halves, images, mask, images, shares=(share,))
    with pytest.raises(InputError, match="empty"):
        kept_top(halves, images, mask, images, shares=())
    with pytest.raises(InputError, match=r"outside \[0, 1\]"):
        kept_top(halves, images, mask * 2, images)
    with pytest.raises(InputError, match="mask has shape"):
        kept_top(halves, images, mask[:1], images)
