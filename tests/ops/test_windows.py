from __future__ import annotations

import itertools

import pytest
import torch

from explanans.ops.windows import places, windows


def test_places_by_hand() -> None:
    assert places(100, 100, 0.5) == [0]
    assert places(60, 100, 0.5) == [0]
    assert places(200, 100, 0.5) == [0, 50, 100]
    assert places(200, 100, 0) == [0, 100]
    assert places(210, 100, 0.5) == [0, 37, 73, 110]


@pytest.mark.parametrize("overlap", [0, 0.1, 0.25, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("length", [100, 101, 199, 777])
def test_tiles_cover_a_side_and_overlap_enough(length: int, overlap: float) -> None:
    starts = places(length, 100, overlap)
    assert (starts[0], starts[-1] + 100) == (0, length)
    assert all(0 < after - before <= 100 * (1 - overlap) + 1 for before, after in itertools.pairwise(starts))


@pytest.mark.parametrize("overlap", [0, 0.1, 0.5, 0.75])
def test_weights_sum_to_one(overlap: float) -> None:
    starts = places(333, 64, overlap)
    weights = windows(starts, 64, 333)
    total = torch.zeros(333)
    for start, some in zip(starts, weights, strict=True):
        total[start : start + 64] += some
    assert total == pytest.approx(torch.ones(333), abs=1e-6)
    assert weights.min() >= 0


def test_no_tile_begins_with_a_step() -> None:
    weights = windows(places(400, 100, 0.5), 100, 400)
    inner = weights[1:-1]
    assert inner[:, [0, -1]].max() < 0.001
    assert (inner[:, 1:] - inner[:, :-1]).abs().max() < 0.04
    assert weights[0, :50] == pytest.approx(torch.ones(50))


def test_tiles_are_a_pixel_apart_at_least() -> None:
    assert places(103, 100, 0.999) == [0, 1, 2, 3]


def test_weights_by_hand() -> None:
    """sin² of an eighth and three eighths of π where two tiles of four share two pixels."""
    little, much = (1 - 0.5**0.5) / 2, (1 + 0.5**0.5) / 2
    expected = [[1, 1, much, little], [little, much, 1, 1]]
    assert windows([0, 2], 4, 6).tolist() == [pytest.approx(row) for row in expected]
    # Of one shared pixel each has half; the furthest two tiles say how much is shared.
    assert windows([0, 3], 4, 7).tolist() == [pytest.approx(row) for row in ([1, 1, 1, 0.5], [0.5, 1, 1, 1])]
    uneven = [[1, 1, 2 / 3, 1 / 3], [1 / 3, 2 / 3, 1, 0.5], [0.5, 1, 1, 1]]
    assert windows([0, 2, 5], 4, 9).tolist() == [pytest.approx(row) for row in uneven]
    # Nothing is shared.
    assert windows([0], 3, 3).tolist() == [[1, 1, 1]]
    assert windows([0, 3], 3, 6).tolist() == [[1, 1, 1]] * 2
