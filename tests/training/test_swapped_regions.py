from __future__ import annotations

import torch

from explanans.training.swapped_regions import swap_regions


def test_regions_trade_places_with_pictures_without() -> None:
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 2, 3, 3)
    regions = torch.zeros(4, 3, 3, dtype=torch.bool)
    regions[1, 0, 0] = True
    found = swap_regions(images, regions, 1.0, torch.Generator().manual_seed(0))
    (partner,) = {int(value) for value in found[1, 0, 0, 0].unique()}
    assert partner != 1
    assert found[partner, :, 0, 0].tolist() == [1, 1]
    # Nothing else has changed, and what went out is what came in.
    rest = torch.ones(4, 3, 3, dtype=torch.bool)
    rest[[1, partner], 0, 0] = False
    assert torch.equal(found[:, 0][rest], images[:, 0][rest])
    assert images[1, 0, 0, 0] == 1


def test_pictures_without_a_partner_stay_as_they_are() -> None:
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    everywhere = torch.ones(3, 2, 2, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(swap_regions(images, everywhere, 1.0, generator), images)
    everywhere[0] = False
    assert sorted(swap_regions(images, everywhere, 1.0, generator)[:, 0, 0, 0].tolist()) == [0, 1, 2]
    assert torch.equal(swap_regions(images, everywhere, 0.0, generator), images)


def test_so_large_a_share_does_it() -> None:
    regions = torch.zeros(2000, 1, 1, dtype=torch.bool)
    regions[:600] = True
    images = torch.arange(2000.0).view(-1, 1, 1, 1)
    found = swap_regions(images, regions, 0.25, torch.Generator().manual_seed(0))
    assert 110 < int((found != images).flatten(1).any(1)[:600].sum()) < 190
