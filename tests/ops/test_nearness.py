from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from explanans.ops.nearness import near, rim


def region(height: int = 9, width: int = 13, share: float = 0.1) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0)) < share


@pytest.mark.parametrize("radius", [0, 1, 3, 20])
def test_near_is_what_all_distances_say(radius: int) -> None:
    given = region()
    found = near(given, radius)
    for image, result in zip(given, found, strict=True):
        places = image.nonzero().tolist()
        for row in range(image.shape[0]):
            for column in range(image.shape[1]):
                distances = [math.dist((row, column), place) for place in places]
                assert bool(result[row, column]) == (min(distances, default=math.inf) <= radius)
    assert not near(torch.zeros(1, 4, 4, dtype=torch.bool), radius).any()


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("frame", [True, False])
def test_the_rim_is_what_steps_from_the_outside_say(depth: int, frame: bool) -> None:
    given = region(share=0.8)
    given[1] = True
    found = rim(given, depth, frame=frame)
    height, width = given.shape[1:]
    for image, result in zip(given, found, strict=True):
        outside = (~image).nonzero().tolist()
        for row in range(height):
            for column in range(width):
                steps = [max(abs(row - y), abs(column - x)) for y, x in outside]
                if frame:
                    steps.append(min(row, column, height - 1 - row, width - 1 - column) + 1)
                expected = bool(image[row, column]) and min(steps, default=math.inf) <= depth
                assert bool(result[row, column]) == expected
