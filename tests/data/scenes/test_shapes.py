from __future__ import annotations

import numpy as np
import pytest

from explanans.data.scenes.shapes import SHAPES, unit_area


@pytest.mark.parametrize("name", list(SHAPES))
def test_distances_of_shapes_are_distances(name: str) -> None:
    """|gradient| = 1 almost everywhere, negative at some point inside, positive on a circle outside."""
    step = 0.01
    y, x = np.mgrid[-1.5:1.5:step, -1.5:1.5:step].astype(np.float32)
    distance = SHAPES[name](x, y)
    assert distance.dtype == np.float32
    slopes = np.hypot(*np.gradient(distance, step))
    near = np.abs(distance) < 0.1
    assert np.median(slopes[near]) == pytest.approx(1, abs=0.02)
    assert (np.abs(slopes[near] - 1) < 0.1).mean() > 0.9
    assert (distance[np.hypot(x, y) > 1.15] > 0).all()


@pytest.mark.parametrize(
    ("name", "area"), [("pill", np.pi * 0.37**2 + 1.16 * 0.74), ("ring", np.pi * (0.97**2 - 0.37**2))]
)
def test_unit_area(name: str, area: float) -> None:
    assert unit_area(name) == pytest.approx(area, rel=0.01)
