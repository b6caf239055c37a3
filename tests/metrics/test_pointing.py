from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import EnergyPointingGame, PointingGame, energy_pointing_game, pointing_game

Scored = tuple[Tensor, Tensor, Tensor]


def naive(maps: Tensor, target: Tensor, valid: Tensor, tolerance: int) -> list[float]:
    """Distance of every maximum to every pixel of the object."""
    scores = []
    for m, g, v in zip(maps, target & valid, valid, strict=True):
        peaks = ((m == m[v].max()) & v).nonzero().tolist()
        objects = g.nonzero().tolist()
        hits = [any((y - b) ** 2 + (x - a) ** 2 <= tolerance**2 for b, a in objects) for y, x in peaks]
        scores.append(sum(hits) / len(hits))
    return scores


@pytest.mark.parametrize("tolerance", [0, 1, 2, 3, 5, 30])
def test_agrees_with_distances(scored: Scored, tolerance: int) -> None:
    maps, target, valid = scored
    target = target & (torch.rand(target.shape, generator=torch.Generator().manual_seed(1)) < 0.05)
    for keep in (valid, torch.ones_like(valid)):
        expected = torch.tensor(naive(maps, target, keep, tolerance))
        torch.testing.assert_close(pointing_game(maps, target, keep, tolerance), expected)


def test_hand_worked_values() -> None:
    maps = torch.zeros(1, 40, 40)
    maps[0, 20, 20] = 3.0
    target = torch.zeros(1, 40, 40, dtype=torch.bool)
    target[0, 29, 32] = True  # 9 down, 12 right: exactly 15 away
    assert pointing_game(maps, target).item() == 1
    assert pointing_game(maps, target, tolerance=14).item() == 0
    assert pointing_game(maps - 7, target).item() == 1
    maps[0, 0, 0] = 3.0  # a second maximum, far away
    assert pointing_game(maps, target).item() == 0.5
    energy = torch.tensor([[[3.0, 1.0], [-5.0, 0.0]]])
    assert energy_pointing_game(energy, torch.tensor([[[1, 0], [1, 1]]])).item() == pytest.approx(0.75)


def test_constant_maps_score_chance(scored: Scored) -> None:
    _, target, valid = scored
    share = (target & valid).sum((1, 2)) / valid.sum((1, 2))
    constant = torch.full(target.shape, 0.4)
    torch.testing.assert_close(pointing_game(constant, target, valid, tolerance=0), share)
    torch.testing.assert_close(energy_pointing_game(constant, target, valid), share)


def test_the_object_itself_scores_one(scored: Scored) -> None:
    _, target, valid = scored
    assert pointing_game(target.float(), target, valid, tolerance=0).tolist() == [1.0] * 8
    assert energy_pointing_game(target.float(), target, valid).tolist() == [1.0] * 8


def test_agrees_with_quantus(scored: Scored) -> None:
    quantus = pytest.importorskip("quantus")
    # Quantus knows no tolerance, counts any of several maxima, and lets negative values count in the energy; so maps
    # with one maximum and no negative value are where the definitions are the same.
    maps, target = torch.rand(6, 12, 9, generator=torch.Generator().manual_seed(5)), scored[1][:6]
    asked = {"a_batch": maps[:, None].numpy(), "s_batch": target[:, None].numpy()}
    game = quantus.PointingGame(normalise=False, disable_warnings=True).evaluate_batch(**asked)
    np.testing.assert_array_equal(pointing_game(maps, target, tolerance=0).numpy(), np.asarray(game, dtype=float))
    mass = quantus.RelevanceMassAccuracy(normalise=False, disable_warnings=True).evaluate_batch(**asked)
    np.testing.assert_allclose(energy_pointing_game(maps, target).numpy(), mass, rtol=1e-5)


def test_void_pixels_neither_point_nor_are_hit(scored: Scored) -> None:
    maps, target, valid = scored
    loud, flipped = torch.where(valid, maps, 9.0), torch.where(valid, target, ~target)
    torch.testing.assert_close(pointing_game(maps, target, valid, 1), pointing_game(loud, flipped, valid, 1))
    torch.testing.assert_close(energy_pointing_game(maps, target, valid), energy_pointing_game(loud, flipped, valid))
    only = torch.tensor([[[9.0, 1.0, 2.0]]])
    hit = torch.tensor([[[True, False, False]]])
    assert pointing_game(only, hit, ~hit, tolerance=2).item() == 0


def test_scale_does_not_matter(scored: Scored) -> None:
    maps, target, _ = scored
    for scale in (1e-30, 1e34):
        torch.testing.assert_close(energy_pointing_game(maps * scale, target), energy_pointing_game(maps, target))
        assert torch.equal(pointing_game(maps * scale, target, tolerance=1), pointing_game(maps, target, tolerance=1))


def test_nothing_to_find_is_zero_and_counted() -> None:
    maps, nothing = torch.rand(1, 3, 3), torch.zeros(1, 3, 3, dtype=torch.bool)
    for function, metric in ((pointing_game, PointingGame()), (energy_pointing_game, EnergyPointingGame())):
        assert function(maps, nothing).item() == 0
        assert function(maps, ~nothing, valid=nothing).item() == 0
        metric.update(maps, nothing)
        assert (metric.empty_count, metric.nan_count) == (1, 0)
    assert energy_pointing_game(-maps, ~nothing).item() == 0  # no positive energy


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_the_worst_score_and_is_counted(bad: float, scored: Scored) -> None:
    maps, target, valid = scored
    maps[0] = target[0].float()
    maps[0, 3, 3] = bad
    for function, metric in ((pointing_game, PointingGame()), (energy_pointing_game, EnergyPointingGame())):
        scores = function(maps, target, valid)
        assert scores[0] == 0
        metric.update(maps, target, valid)
        torch.testing.assert_close(metric.compute(), scores.mean())
        assert (metric.nan_count, metric.count, metric.higher_is_better) == (1, 8, True)


def test_bad_input() -> None:
    maps, target = torch.rand(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool)
    with pytest.raises(InputError, match="tolerance=-1"):
        pointing_game(maps, target, tolerance=-1)
    for function in (pointing_game, energy_pointing_game):
        with pytest.raises(InputError, match="target has shape"):
            function(maps, target[:, :1])
        with pytest.raises(InputError, match="maps is torch"):
            function(target, target)
        with pytest.raises(InputError, match="target is torch"):
            function(maps, maps)
