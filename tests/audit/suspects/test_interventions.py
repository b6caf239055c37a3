from __future__ import annotations

import numpy as np
import pytest
import torch

from explanans.audit.suspects.interventions import on_objects, spread
from explanans.audit.suspects.suspect import cells_of, grid_of


def test_how_much_of_a_region_lies_on_an_object_by_hand() -> None:
    regions = torch.zeros(3, 4, 4, dtype=torch.bool)
    regions[:2, :2] = True
    objects = torch.zeros_like(regions)
    objects[0, 1:, :2] = True
    # Two of the eight pixels; none, where there is no object; and 0 of an empty region.
    assert on_objects(regions, objects).tolist() == [0.25, 0, 0]


@pytest.mark.parametrize(
    ("count", "most", "expected"), [(3, 5, [0, 1, 2]), (9, 3, [0, 4, 8]), (10, 4, [0, 3, 6, 9]), (0, 4, [])]
)
def test_evenly_from_first_to_last(count: int, most: int, expected: list[int]) -> None:
    assert spread(range(count), most) == expected


def test_cells_and_regions() -> None:
    region = np.zeros((16, 16), np.bool_)
    region[[0, 15], [3, 15]] = True
    assert cells_of(region) == [(0, 3), (15, 15)]
    assert (grid_of(cells_of(region)) == region).all()
    assert not grid_of([]).any()
