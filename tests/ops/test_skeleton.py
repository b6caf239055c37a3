from __future__ import annotations

import math

import numpy as np
import pytest

from explanans.ops.skeleton import Graph


def skeleton(*lines: str) -> Graph:
    """A graph of the pixels drawn as ``#``, in a region that is 3 deep everywhere."""
    drawn = np.array([[each == "#" for each in line] for line in lines])
    return Graph(np.pad(drawn, 1), np.full((drawn.shape[0] + 2, drawn.shape[1] + 2), 3.0))


CROSSED = (
    "......#..............",
    "......#.......#......",
    "......#.......#......",
    "......#.......#......",
    "......#.......#......",
    "#####################",
    "........#............",
    "........#............",
    "........#............",
    "........#............",
    "........#............",
)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("up", [False, True])
def test_branches_longer_than_one_and_a_half_times_the_depth_stay(turned: bool, up: bool) -> None:
    """Arms of 5, 4, 5 and twice 6 steps where 4.5 are a spur: the one of 4 goes, in whatever order it is met."""
    drawn = np.array([list(line) for line in CROSSED])
    drawn = drawn[::-1] if up else drawn
    drawn = drawn.T[::-1] if turned else drawn
    graph = skeleton(*map("".join, drawn))
    assert sorted(len(path) - 1 for path, _ in graph.paths()) == [2, 4, 5, 5, 6, 6, 6]
    graph.prune()
    # What the arm of 4 had parted is one piece again: 12 steps.
    assert sorted(len(path) - 1 for path, _ in graph.paths()) == [2, 5, 5, 6, 12]
    assert graph.length() == 30
    assert len(graph.pixels()) == 31
    assert not graph.has_loop()


def test_what_hangs_on_spurs_goes_as_well_once_it_is_one() -> None:
    """A fork of two short prongs leaves a stalk that is short too."""
    graph = skeleton(
        "..........#.#......",
        "...........#.......",
        "...........#.......",
        "###################",
    )
    graph.prune()
    assert graph.length() == 18
    assert [free for _, free in graph.paths()] == [(True, True)]


def test_a_line_alone_is_no_spur_of_itself() -> None:
    for length in (1, 2, 3):
        graph = skeleton("#" * length)
        graph.prune()
        ((path, free),) = graph.paths()
        assert (len(path), free) == (length, (True, True))
        assert graph.length() == length - 1


def test_loops_of_a_skeleton() -> None:
    ring = skeleton(".###.", "#...#", "#...#", ".###.")
    ((path, free),) = ring.paths()
    assert free == (False, False)
    assert path[0].tolist() == path[-1].tolist()
    # Six straight steps and four across a corner.
    assert ring.length() == pytest.approx(6 + 4 * math.sqrt(2))
    assert ring.has_loop()
    # A ring on a string begins and ends at the knot.
    hung = skeleton(".###......", "#...#.....", "#...######", "#...#.....", ".###......")
    hung.prune()
    assert sorted(len(path) for path, _ in hung.paths()) == [6, 13]
    assert sorted(free for _, free in hung.paths()) in (
        [(False, False), (False, True)],
        [(False, False), (True, False)],
    )
    assert hung.has_loop()


def test_a_step_across_a_corner_is_none_where_there_is_a_way_around() -> None:
    graph = skeleton("##", ".#")
    assert graph.length() == 2
    assert skeleton("#.", ".#").length() == pytest.approx(math.sqrt(2))
