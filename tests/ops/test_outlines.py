from __future__ import annotations

import itertools

import numpy as np
import pytest

from explanans.ops import outlines as module
from explanans.ops.outlines import Ring, filled, outlines, signed_area


def test_a_square_with_a_hole() -> None:
    region = np.zeros((10, 12), bool)
    region[2:8, 3:9] = True
    region[4:6, 5:7] = False
    ((outer, hole),) = outlines(region)
    assert outer.min(0).tolist() == [3, 2]
    assert outer.max(0).tolist() == [9, 8]
    assert (outer[0] == outer[-1]).all()
    # Corners are cut by half a pixel: 36 − 4 · 1/8 around, and the hole likewise, the other way round.
    assert (signed_area(outer), signed_area(hole)) == (35.5, -3.5)
    assert len(outer) == 9


def test_pixels_that_touch_at_a_corner_are_one_polygon() -> None:
    assert len(outlines(np.eye(5, dtype=bool))) == 1
    assert len(outlines(np.eye(5, dtype=bool)[:, [0, 2, 4]])) == 3
    assert outlines(np.zeros((3, 3), bool)) == []


def turned(ring: Ring) -> list[list[float]]:
    """Begun at its first point in the order of the coordinates."""
    points = ring[:-1].tolist()
    first = points.index(min(points))
    return points[first:] + points[:first]


@pytest.mark.parametrize("seed", range(4))
def test_rings_are_those_of_marching_squares(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    contourpy = pytest.importorskip("contourpy", reason="compared with contourpy")
    random = np.random.default_rng(seed)
    for _ in range(20):
        region = random.random(random.integers(1, 16, 2)) > random.random()
        monkeypatch.setattr(module, "CHUNK", int(random.integers(1, 300)))
        padded = np.pad(region.astype(float), 1)
        generator = contourpy.contour_generator(z=padded, fill_type=contourpy.FillType.OuterOffset)
        wanted = []
        for points, offsets in zip(*generator.filled(0.5 - 1e-6, 2.0), strict=True):
            rings = [np.round(2 * (points[a:b] - 0.5)) / 2 for a, b in itertools.pairwise(offsets)]
            wanted.append(sorted(turned(module._without_straight(ring)) for ring in rings))
        found = [sorted(map(turned, polygon)) for polygon in outlines(region)]
        assert sorted(found) == sorted(wanted)


def test_an_island_in_a_hole_is_a_polygon_of_its_own() -> None:
    region = np.zeros((11, 11), bool)
    region[:] = True
    region[1:10, 1:10] = False
    region[3:8, 3:8] = True
    region[5, 5] = False
    small, large = outlines(region)
    assert [len(small), len(large)] == [2, 2]
    assert small[1].mean(0) == pytest.approx([5.5, 5.5], abs=0.2)
    assert signed_area(large[1]) < -70


@pytest.mark.parametrize("seed", range(6))
def test_no_pixel_is_lost(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(20):
        region = random.random(random.integers(1, 16, 2)) > random.random()
        assert (filled(outlines(region), *region.shape) == region).all()


def test_any_polygon_is_filled_by_the_centres_inside() -> None:
    triangle = np.array([[0, 0], [8, 0], [0, 8], [0, 0]])
    inside = filled([[triangle]], 8, 8)
    y, x = np.mgrid[:8, :8] + 0.5
    # What lies on a side to the right is inside.
    assert (inside == (x + y <= 8)).all()
    assert (filled([[triangle + 5]], 8, 8)[5:, 5:] == inside[:3, :3]).all()
    assert (filled([[triangle - 3]], 8, 8)[:5, :5] == inside[3:, 3:]).all()


def test_one_pixel_is_a_diamond_around_its_centre() -> None:
    region = np.zeros((4, 3), bool)
    region[2, 1] = True
    ((ring,),) = outlines(region)
    assert sorted(ring[:-1].tolist()) == [[1, 2.5], [1.5, 2], [1.5, 3], [2, 2.5]]
    assert signed_area(ring) == 0.5


def test_what_two_polygons_share_is_outside() -> None:
    square = np.array([[1, 1], [5, 1], [5, 5], [1, 5], [1, 1]])
    found = filled([[square], [square + 2]], 8, 9)
    expected = np.zeros((8, 9), bool)
    expected[1:5, 1:5] = expected[3:7, 3:7] = True
    expected[3:5, 3:5] = False
    assert (found == expected).all()
    # Once as a hole is the same as twice as a polygon, whichever way it runs.
    assert (filled([[square, (square + 2)[::-1]]], 8, 9) == expected).all()


def test_twice_the_signed_area_by_hand() -> None:
    ring = np.array([[1, 1], [4, 1], [4, 3], [1, 1]])
    assert (signed_area(ring), signed_area(ring[::-1])) == (3, -3)
