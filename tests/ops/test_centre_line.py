from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from explanans.ops import centre_line as module
from explanans.ops import chords
from explanans.ops.centre_line import centre_line

pytest.importorskip("skimage", reason="regions need scikit-image")

SIDE, CENTRE = 240, (119.8, 120.3)


def around(angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of the pixels' centres along and across a direction in degrees."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    x, y = x - CENTRE[0], y - CENTRE[1]
    turn = math.radians(angle)
    return x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)


def strip(length: float, width: float, angle: float) -> NDArray[np.bool_]:
    along, across = around(angle)
    return (abs(along) <= length / 2) & (abs(across) <= width / 2)


@pytest.mark.parametrize("angle", [0, 11, 22.5, 30, 45, 63, 80, 90])
@pytest.mark.parametrize(("length", "width"), [(60, 3), (160, 5), (150, 16), (100, 30)])
def test_a_line_is_as_long_as_it_is_whatever_its_direction(length: float, width: float, angle: float) -> None:
    found = centre_line(strip(length, width, angle))
    assert found.length == pytest.approx(length, rel=0.02)
    assert found.largest_width == pytest.approx(width, abs=0.7)
    assert len(found.paths) == 1


@pytest.mark.parametrize(("radius", "width"), [(12, 4), (30, 3), (60, 9), (100, 20)])
def test_a_ring_is_as_long_as_its_middle(radius: float, width: float) -> None:
    along, across = around(0)
    found = centre_line(abs(np.hypot(along, across) - radius) <= width / 2)
    assert found.length == pytest.approx(2 * math.pi * radius, rel=0.02)
    assert found.mean_width == pytest.approx(width, rel=0.02)
    assert found.largest_width == pytest.approx(width, abs=0.7)
    (path,) = found.paths
    assert (path[0] == path[-1]).all()
    assert np.hypot(*(path - CENTRE).T) == pytest.approx(radius, abs=1)


@pytest.mark.parametrize("radius", [8, 20, 55])
def test_a_disc_is_as_long_and_as_wide_as_its_diameter(radius: float) -> None:
    along, across = around(0)
    found = centre_line(np.hypot(along, across) <= radius)
    assert found.length == pytest.approx(2 * radius, rel=0.02)
    assert found.largest_width == pytest.approx(2 * radius, abs=1)
    assert found.paths == ()


def test_an_ellipse_has_a_line() -> None:
    along, across = around(25)
    found = centre_line((along / 60) ** 2 + (across / 25) ** 2 <= 1)
    assert found.length == pytest.approx(120, rel=0.02)
    assert found.largest_width == pytest.approx(50, rel=0.02)


def test_branches_are_added_up_and_corners_are_none() -> None:
    # A T of three arms of 60 pixels from the middle, each 7 wide.
    region = strip(120, 7, 90)
    along, across = around(0)
    region |= (along >= 0) & (along <= 60) & (abs(across) <= 3.5)
    found = centre_line(region)
    assert len(found.paths) == 3
    assert found.length == pytest.approx(180, rel=0.03)


def test_bumps_add_nothing() -> None:
    region = strip(160, 12, 20)
    along, across = around(20)
    region |= np.hypot(along - 30, across - 6) < 4
    found = centre_line(region)
    assert len(found.paths) == 1
    assert found.length == pytest.approx(160, rel=0.02)


@pytest.mark.parametrize("angle", [0, 20, 45])
def test_a_large_region_is_measured_smaller(angle: float, monkeypatch: pytest.MonkeyPatch) -> None:
    along, _ = around(angle)
    region = strip(200, 5, angle) | (strip(200, 11, angle) & (abs(along) < 15))
    fine = centre_line(region)
    monkeypatch.setattr(module, "LARGEST", region.size // 8)
    found = centre_line(region)
    assert found.length == pytest.approx(fine.length, rel=0.025)
    assert found.mean_width == pytest.approx(region.sum() / found.length)
    assert found.largest_width == pytest.approx(fine.largest_width, abs=0.5)
    # In the same place, and not in pixels of the smaller one.
    ends = [path[[0, -1]].tolist() for path in (*found.paths, *fine.paths)]
    assert np.array(sorted(ends[0])) == pytest.approx(np.array(sorted(ends[1])), abs=4)


def test_depth_does_not_depend_on_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    ndimage = pytest.importorskip("scipy.ndimage", reason="regions need SciPy")
    region = np.pad(np.random.default_rng(0).random((300, 30)) > 0.01, 1)
    region[90:250, 1:-1] = True
    monkeypatch.setattr(chords, "AT_ONCE", 1)
    assert (chords.depth_of(region) == ndimage.distance_transform_edt(region)).all()


def test_smallest_things() -> None:
    one = centre_line(np.ones((1, 1), bool))
    assert (one.length, one.mean_width) == (pytest.approx(2 / math.sqrt(3), rel=1e-6), pytest.approx(math.sqrt(3) / 2))
    row = centre_line(np.ones((1, 30), bool))
    assert (row.length, row.mean_width, row.largest_width) == pytest.approx((30, 1, 1), rel=0.02)
    assert centre_line(np.eye(30, dtype=bool)).length == pytest.approx(30 * math.sqrt(2), rel=0.06)
    loop = np.ones((3, 3), bool)
    loop[1, 1] = False
    assert 4 <= centre_line(loop).length <= 10
