from __future__ import annotations

import numpy as np
import pytest

from explanans.ops import chords
from explanans.ops.chords import reach_of, shortest_chords

pytest.importorskip("scipy", reason="regions need SciPy")


def test_how_far_it_is_to_the_edge_by_hand() -> None:
    """Columns 3 … 8 are inside: the edge is half-way to the next one."""
    solid = np.zeros((40, 12), np.float32)
    solid[:, 3:9] = 1
    directions = np.array([[0, 1], [0, -1], [1, 0], [-1, 0]], float)
    found = reach_of(np.array([[20.0, 5], [20, 7.25], [20, 1]]), directions, solid, np.array([6.0, 9, 9]))
    assert found[0].tolist() == [pytest.approx(3.5), pytest.approx(2.5), np.inf, np.inf]
    assert found[1].tolist() == [pytest.approx(1.25), pytest.approx(4.75), np.inf, np.inf]
    assert found[2].tolist() == [0, 0, 0, 0]
    # A grey pixel moves the edge: 1, 0.6, 0 is one half a sixth of the way to the 0.
    solid[:, 8] = 0.6
    assert reach_of(np.array([[20.0, 5]]), directions[:1], solid, np.array([6.0]))[0, 0] == pytest.approx(
        3 + 1 / 6, abs=0.02
    )


def test_looks_are_half_a_pixel_apart_and_at_most_514() -> None:
    assert [chords._looks(furthest) for furthest in (0.4, 10, 10.4, 255.9, 256, 1000)] == [2, 22, 22, 513, 514, 514]


def test_the_shortest_chord_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strip of 6 columns has 6 everywhere; a wedge what is there; in parts as at once."""
    solid = np.zeros((40, 60), np.float32)
    solid[:, 3:9] = 1
    solid[4:36, 20:50] = 1
    depth = np.full((40, 60), 3.0)
    depth[:, 20:] = 14
    points = np.array([[20.0, 5], [20, 35], [10, 6], [20, 30]])
    expected = [6, 30, 6, 30]
    assert shortest_chords(points, solid, depth) == pytest.approx(expected, abs=0.01)
    monkeypatch.setattr(chords, "AT_ONCE", 1)
    assert shortest_chords(points, solid, depth) == pytest.approx(expected, abs=0.01)
    # Where no chord ends, the depth is all that is known.
    assert shortest_chords(points[:1], np.ones((40, 60), np.float32), depth) == pytest.approx([6])
