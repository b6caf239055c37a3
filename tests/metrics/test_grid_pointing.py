from __future__ import annotations

import math

import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import GridPointing, grid_pointing, montage
from explanans.metrics.grid_pointing import company


def test_four_photos_in_one() -> None:
    images = torch.arange(4.0).view(1, 4, 1, 1, 1).expand(1, 4, 3, 6, 10).clone()
    made = montage(images)
    assert made.shape == (1, 3, 6, 10)
    assert made[0, 0].tolist() == [[0.0] * 5 + [1.0] * 5] * 3 + [[2.0] * 5 + [3.0] * 5] * 3
    # A side that is no multiple of two gives the lower and the right cells one pixel more.
    odd = torch.tensor([[0.0] * 4 + [1.0] * 5] * 2 + [[2.0] * 4 + [3.0] * 5] * 3)
    torch.testing.assert_close(montage(images[..., :5, :9])[0, 0], odd)


def test_photos_are_halved_without_being_moved() -> None:
    ramp = torch.linspace(0, 1, 16).expand(1, 4, 3, 16, 16)
    half = montage(ramp)[0, 0, 0, :8]
    assert half.tolist() == pytest.approx([(2 * n + 0.5) / 15 for n in range(8)], abs=0.02)
    torch.testing.assert_close(half, montage(ramp)[0, 2, 12, 8:])


def test_shares_by_hand() -> None:
    maps = torch.zeros(4, 4, 4)
    maps[:, 0, 0], maps[:, 0, 3], maps[:, 3, 0], maps[:, 2, 2] = 4.0, 3.0, 2.0, 1.0
    maps[:, 1, 1] = -7
    assert grid_pointing(maps, torch.arange(4)).tolist() == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert grid_pointing(torch.ones(4, 6, 8), torch.arange(4)).tolist() == [0.25] * 4
    assert grid_pointing(100 * maps[:, None], torch.arange(4)).tolist() == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_nothing_and_nan() -> None:
    maps = torch.stack([torch.zeros(4, 4), -torch.ones(4, 4), torch.full((4, 4), math.nan), torch.eye(4)])
    cells = torch.tensor([0, 1, 2, 3])
    assert grid_pointing(maps, cells).tolist() == [0, 0, 0, 0.5]
    metric = GridPointing()
    metric.update(maps, cells)
    assert (metric.compute().item(), metric.count, metric.nan_count, metric.empty_count) == (0.125, 4, 1, 2)


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"cells are \[4\]"):
        grid_pointing(torch.zeros(1, 4, 4), torch.tensor([4]))
    with pytest.raises(InputError, match="for 2 maps"):
        grid_pointing(torch.zeros(2, 4, 4), torch.tensor([0]))
    with pytest.raises(InputError, match=r"\(G, 4, 3, H, W\)"):
        montage(torch.zeros(1, 3, 3, 8, 8))


@pytest.mark.parametrize(("cell", "four"), [(0, [2, 5, 0, 4]), (1, [5, 2, 0, 4]), (3, [5, 0, 4, 2])])
def test_the_company_of_a_photo(cell: int, four: list[int]) -> None:
    """Of position 2, class b: 1 is of the same class, 3 of one that is there already, 6 comes too late."""
    asked: list[int] = []

    def sure(position: int) -> bool:
        asked.append(position)
        return position != 7

    classes = ["a", "b", "b", "c", "d", "c", "a", "d"]
    order = [2, 1, 5, 3, 0, 7, 4, 6]
    assert company(2, order, classes, sure, cell) == four
    assert asked == [5, 0, 7, 4]


def test_no_company_without_three_more_classes() -> None:
    assert company(0, [0, 1, 2], ["a", "b", "c"], lambda position: True, 0) is None
