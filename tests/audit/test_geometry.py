from __future__ import annotations

import pytest
import torch

from explanans.audit.geometry import border_width, centres, on_grid, shares


def test_a_grid_has_the_share_of_each_cell() -> None:
    masks = torch.zeros(1, 32, 32, dtype=torch.bool)
    masks[0, :2, :2] = True
    masks[0, 2, 4:6] = True
    cells = on_grid(masks)[0]
    assert cells[0, 0] == 1
    assert cells[1, 2] == 0.5
    assert cells.sum() == 1.5


def test_centres_in_shares_of_the_frame() -> None:
    masks = torch.zeros(2, 10, 20, dtype=torch.bool)
    masks[0, :, 10:] = True
    assert centres(masks)[0].tolist() == [pytest.approx(0.75), pytest.approx(0.5)]
    assert centres(masks)[1].isnan().all()


def test_shares_by_hand() -> None:
    """A row of ten pixels, the object the first five: the border are the two pixels beside its end."""
    assert border_width(1, 10) == 1
    region = torch.zeros(1, 1, 10, dtype=torch.bool)
    region[..., :5] = True
    mask = torch.ones(1, 1, 10, dtype=torch.bool)
    valid = torch.ones(1, 1, 10, dtype=torch.bool)
    assert shares(mask, region, valid)[0].tolist() == pytest.approx([0.4, 0.2, 0.4])
    valid[..., 6:] = False
    assert shares(mask, region, valid)[0].tolist() == pytest.approx([4 / 6, 2 / 6, 0])
    assert shares(mask & False, region, valid).isnan().all()
