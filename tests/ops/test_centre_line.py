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


@pytest.mark.parametrize(
    ("depth", "weights"),
    [
        (1, [-21, 14, 39, 54, 59, 54, 39, 14, -21]),
        (4.9, [-21, 14, 39, 54, 59, 54, 39, 14, -21]),
        (5, [-36, 9, 44, 69, 84, 89, 84, 69, 44, 9, -36]),
        (6, [-11, 0, 9, 16, 21, 24, 25, 24, 21, 16, 9, 0, -11]),
    ],
)
def test_a_path_is_smoothed_as_savitzky_and_golay_say(depth: float, weights: list[int]) -> None:
    """One pixel that is off by one becomes the weights of their table, over 9 pixels or twice the depth and one."""
    path = np.stack([np.full(41, 3), np.arange(41)], 1)
    path[20, 0] += 1
    curve = module._smoothed(path, np.full((6, 50), depth))
    bump = np.zeros(41)
    bump[20 - len(weights) // 2 : 21 + len(weights) // 2] = np.array(weights) / sum(weights)
    assert curve[:, 0] - 3 == pytest.approx(bump, abs=1e-9)
    assert curve[:, 1] == pytest.approx(np.arange(41), abs=1e-9)


def test_a_closed_path_is_smoothed_across_its_seam() -> None:
    angle = np.arange(48) * 2 * np.pi / 48
    ring = np.stack([100 + 50 * np.sin(angle), 100 + 50 * np.cos(angle)], 1)
    bumped = ring.copy()
    bumped[0, 0] += 1
    depth = np.full((200, 200), 1.0)
    smooth, wavy = (module._smoothed(np.concatenate([each, each[:1]]).astype(int), depth) for each in (ring, bumped))
    assert (wavy[0] == wavy[-1]).all()
    moved = (wavy - smooth)[:, 0] * 231
    assert moved[[0, 1, 2, 3, 4, -2, -3, -4, -5]] == pytest.approx([59, 54, 39, 14, -21, 54, 39, 14, -21], abs=1e-6)
    assert moved[5:-5] == pytest.approx(0, abs=1e-6)


def test_short_paths_take_the_window_that_they_have() -> None:
    depth = np.full((6, 9), 1.0)
    bent = np.array([[1, 0], [1, 1], [2, 2], [1, 3], [1, 4]])
    # Of five pixels all: the parabola that is nearest to 0 0 1 0 0.
    assert module._smoothed(bent, depth)[:, 0] - 1 == pytest.approx(np.array([-3, 12, 17, 12, -3]) / 35)
    # Six are smoothed over five; four are left as they are.
    longer = np.concatenate([bent, [[1, 5]]])
    assert module._smoothed(longer, depth)[:3, 0] - 1 == pytest.approx(np.array([-3, 12, 17]) / 35)
    assert (module._smoothed(bent[:4], depth) == bent[:4]).all()


def test_a_free_end_goes_straight_on_from_where_it_came() -> None:
    """The last 4 points, or as many as the region is wide, say where to: a hook at the end says little."""
    solid = np.ones((80, 100), np.float32)
    solid[:, 60:] = 0
    line = np.stack([np.full(30, 40.0), np.arange(50.0, 20, -1)], 1)
    straight = module._to_the_edge(line, (True, False), solid, np.full((80, 100), 10.0))
    assert straight[0] == pytest.approx([40, 59.5], abs=1e-6)
    assert (straight[1:] == line).all()
    turned = module._to_the_edge(line[::-1], (False, True), solid, np.full((80, 100), 10.0))
    assert turned[-1] == pytest.approx([40, 59.5], abs=1e-6)
    assert len(turned) == 31
    for radius, back in ((1, 4), (2.6, 5), (10, 20), (40, 29)):
        bent = line.copy()
        bent[back] += [3, 0]
        reach = math.hypot(3, back)
        # As far to the side as the point that it looks at, in proportion, up to the edge or to three times the depth.
        ahead = min(9.5, (3 * radius + 3) * back / reach)
        found = module._to_the_edge(bent, (True, False), solid, np.full((80, 100), float(radius)))
        assert found[0] == pytest.approx([40 - 3 * ahead / back, 50 + ahead], abs=1e-3)


def test_the_longer_axis_by_hand() -> None:
    """n pixels in a row have a variance of n² / 12, whatever lies beside them."""
    for shape in ((3, 7), (7, 3)):
        assert module._longer_axis(np.ones(shape, bool)) == pytest.approx(4 * 7 / math.sqrt(12))
    oblique = np.eye(5, dtype=bool)
    # Both coordinates vary by 2 together; along the line 4, and 1/12 of a pixel itself.
    assert module._longer_axis(oblique) == pytest.approx(4 * math.sqrt(4 + 1 / 12))


def test_places_of_the_line_are_those_of_the_picture() -> None:
    """The middle of rows 10 … 16 and of columns 5 … 44 is at 13.5 from the top."""
    region = np.zeros((30, 60), bool)
    region[10:17, 5:45] = True
    found = centre_line(region)
    (path,) = found.paths
    ends = sorted(path[[0, -1]].tolist())
    assert ends == [pytest.approx([5, 13.5], abs=0.6), pytest.approx([45, 13.5], abs=0.6)]
    assert path[:, 1] == pytest.approx(13.5, abs=0.1)
    assert (found.length, found.largest_width) == (pytest.approx(40, abs=0.5), pytest.approx(7, abs=0.02))
    assert found.mean_width == pytest.approx(280 / found.length)
