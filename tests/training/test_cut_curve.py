from __future__ import annotations

from explanans.training.cut_curve import Point, best_cut, wider


def points(*rows: tuple[float, float, float, float]) -> list[Point]:
    return [Point(cut, gap, 0.3, full, empty) for cut, gap, full, empty in rows]


def test_the_choice_among_points() -> None:
    curve = points((-1, 0.9, 0.3, 0), (-0.5, 0.7, 0.14, 0), (0, 0.6, 0.1, 0.1), (0.5, 0.695, 0.1, 0.2), (1, 0.5, 0, 1))
    assert best_cut(curve, 0.01) == (-0.5, "not at -1, where 30% of the masks fill the frame")
    assert best_cut(curve, 0.25) == (0, "")
    assert best_cut(points((0, 0.0, 0, 0), (1, -0.1, 0, 0)), 0.01)[0] is None
    few = points((0, 0.1, 0, 0), (1, 0.4, 0, 0.05), (2, 0.6, 0, 0.06))
    assert best_cut(few, 0.01) == (1, "not at 2, where 6% of the masks are empty")


def test_where_the_grid_goes_on() -> None:
    low, middle, high = (-3, 0.5, 0, 0), (0, 0.6, 0, 0), (3, 0.5, 0, 0)
    assert wider(points(low, middle, high), 0.01) == []
    # The highest as good as the best is the last; the lowest is among those that are as good, and not the best.
    assert wider(points(low, middle, high), 0.1) == [3.5, 4, 4.5, 5, 5.5, 6]
    assert wider(points(low, middle, (3, 0.4, 0, 0)), 0.1) == []
    assert wider(points((-3, 0.6, 0, 0), middle, high), 0.01) == [-3.5, -4, -4.5, -5, -5.5, -6]
    assert wider(points((-3, 0.6, 1, 0), middle, high), 0.01) == []
    assert wider(points((-12, 0.6, 0, 0), middle, (12, 0.6, 0, 0)), 0.01) == []
    assert len(wider(points((-3, 0.0, 0, 0), (0, 0.0, 0, 0), (3, 0.0, 0, 0)), 0.01)) == 12
