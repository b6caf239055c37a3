from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import EnergyPointingGame, PointingGame, energy_pointing_game, pointing_game


def scene(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(8, 20, 17, generator=generator)
    target = torch.rand(8, 20, 17, generator=generator) < 0.02
    return maps, target, torch.rand(8, 20, 17, generator=generator) < 0.9


@pytest.mark.parametrize("tolerance", [0, 1, 3, 15])
def test_equals_a_naive_loop(tolerance: int) -> None:
    maps, target, valid = scene()
    got = pointing_game(maps, target, valid, tolerance)
    for n in range(len(maps)):
        row, column = divmod(int(maps[n].masked_fill(~valid[n], -torch.inf).argmax()), 17)
        objects = (target[n] & valid[n]).nonzero().tolist()
        hit = any((row - y) ** 2 + (column - x) ** 2 <= tolerance**2 for y, x in objects)
        assert got[n].item() == float(hit), n


def test_a_shared_maximum_counts_by_share() -> None:
    target = torch.tensor([[[True, False, False, False]]])
    assert pointing_game(torch.ones(1, 1, 4), target, tolerance=0).item() == 0.25
    assert pointing_game(torch.tensor([[[1.0, 1.0, 0.0, 0.0]]]), target, tolerance=0).item() == 0.5


def test_the_truth_itself_hits_and_no_object_cannot_be_hit() -> None:
    _, target, _ = scene()
    assert pointing_game(target.float(), target, tolerance=0).tolist() == target.any(2).any(1).float().tolist()
    assert pointing_game(torch.rand(1, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool)).item() == 0


def test_energy_by_hand() -> None:
    maps = torch.tensor([[[3.0, 1.0, -2.0, 4.0]]])
    target = torch.tensor([[[True, False, True, False]]])
    torch.testing.assert_close(energy_pointing_game(maps, target), torch.tensor([3 / 8]))
    valid = torch.tensor([[[True, True, True, False]]])
    torch.testing.assert_close(energy_pointing_game(maps, target, valid), torch.tensor([0.75]))
    # Scale means nothing, however large or small.
    for scale in (1e-30, 1e30):
        torch.testing.assert_close(energy_pointing_game(maps * scale, target), torch.tensor([3 / 8]))


def test_energy_of_constants_is_the_objects_share_and_of_nothing_is_nothing() -> None:
    target = torch.tensor([[[True, False, False, False]]])
    assert energy_pointing_game(torch.ones(1, 1, 4), target).item() == 0.25
    assert energy_pointing_game(torch.zeros(1, 1, 4), target).item() == 0
    assert energy_pointing_game(-torch.ones(1, 1, 4), target).item() == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [PointingGame, EnergyPointingGame])
def test_what_is_no_number_counts_as_a_miss(kind: type[PointingGame], value: float) -> None:
    maps = torch.tensor([[[value, 0.0]], [[1.0, 0.0]]])
    metric = kind()
    metric.update(maps, torch.tensor([[[True, False]], [[True, False]]]))
    assert metric.compute().item() == 0.5
    assert int(metric.nan_count) == 1


def test_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(InputError, match="tolerance=-1"):
        pointing_game(torch.ones(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool), tolerance=-1)
