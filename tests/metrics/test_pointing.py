from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import EnergyPointingGame, PointingGame, energy_pointing_game, pointing_game

FUNCTIONS = [pointing_game, energy_pointing_game]
PAIRS = list(zip([PointingGame, EnergyPointingGame], FUNCTIONS, strict=True))


def example(seed: int = 0, count: int = 6, share: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
    """Maps with negative values, objects and void pixels."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(count, 9, 7, generator=generator)
    target = torch.rand(count, 9, 7, generator=generator) < share
    valid = torch.rand(count, 9, 7, generator=generator) < 0.8
    return maps, target, valid


def naive_pointing(maps: Tensor, target: Tensor, valid: Tensor, tolerance: int) -> list[float]:
    """Every peak against every object pixel, by their distance."""
    scores = []
    for values, g, v in zip(maps.numpy(), (target & valid).numpy(), valid.numpy(), strict=True):
        peaks = [place for place in np.argwhere(v) if values[tuple(place)] == values[v].max()]
        objects = np.argwhere(g)
        hits = [any(((peak - other) ** 2).sum() <= tolerance**2 for other in objects) for peak in peaks]
        scores.append(float(np.mean(hits)))
    return scores


def naive_energy(maps: Tensor, target: Tensor, valid: Tensor) -> list[float]:
    scores = []
    for values, g, v in zip(maps.double().numpy(), target.numpy(), valid.numpy(), strict=True):
        inside = total = 0.0
        for value, is_object, counts in zip(values.ravel(), g.ravel(), v.ravel(), strict=True):
            if counts and value > 0:
                total += value
                inside += value * is_object
        scores.append(inside / total)
    return scores


def test_hand_worked_values() -> None:
    maps = torch.tensor([[[4.0, 1.0, -3.0], [0.0, 2.0, 1.0]]])
    target = torch.tensor([[[0, 1, 1], [0, 1, 0]]], dtype=torch.uint8)
    # The peak of 4 is one pixel off the object; 1 + 2 of the positive 8 lie on it.
    assert pointing_game(maps, target, tolerance=0).item() == 0
    assert pointing_game(maps, target, tolerance=1).item() == 1
    assert energy_pointing_game(maps, target).item() == pytest.approx(3 / 8)
    # Without the peak the next one, 2, points at the object.
    valid = torch.tensor([[[False, True, True], [True, True, True]]])
    assert pointing_game(maps, target, valid, tolerance=0).item() == 1
    assert energy_pointing_game(maps, target, valid).item() == pytest.approx(3 / 4)


@pytest.mark.parametrize(("tolerance", "inside"), [(4, False), (5, True), (6, True)])
def test_the_tolerance_is_a_disc(tolerance: int, inside: bool) -> None:
    # 3 down and 4 to the right are 5 pixels; a square of radius 4 would reach.
    maps, target = torch.zeros(1, 12, 12), torch.zeros(1, 12, 12, dtype=torch.bool)
    maps[0, 2, 3], target[0, 5, 7] = 1, True
    for change in (lambda t: t, lambda t: t.flip(1), lambda t: t.flip(2), lambda t: t.transpose(1, 2)):
        assert pointing_game(change(maps), change(target), tolerance=tolerance).item() == inside


def test_fifteen_pixels_are_the_default() -> None:
    maps, target = torch.zeros(2, 1, 40), torch.zeros(2, 1, 40, dtype=torch.bool)
    maps[:, 0, 3] = 1
    target[0, 0, 18], target[1, 0, 19] = True, True
    assert pointing_game(maps, target).tolist() == [1.0, 0.0]
    metric = PointingGame()
    metric.update(maps, target)
    assert metric.compute() == 0.5


@pytest.mark.parametrize("tolerance", [0, 1, 2, 3, 30])
@pytest.mark.parametrize("with_void", [False, True])
def test_pointing_agrees_with_a_loop_over_pixels(tolerance: int, with_void: bool) -> None:
    # Few values, so that peaks tie, and few object pixels, so that some are missed.
    maps, target, valid = example(seed=1, count=40, share=0.05)
    maps = maps.clamp(max=1.2)
    target[:, 4, 3] = valid[:, 4, 3] = True
    valid = valid if with_void else torch.ones_like(valid)
    expected = naive_pointing(maps, target, valid, tolerance)
    scores = pointing_game(maps, target, valid if with_void else None, tolerance=tolerance)
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("with_void", [False, True])
def test_energy_agrees_with_a_loop_over_pixels(with_void: bool) -> None:
    maps, target, valid = example(count=12)
    valid = valid if with_void else torch.ones_like(valid)
    scores = energy_pointing_game(maps, target, valid if with_void else None)
    np.testing.assert_allclose(scores.numpy(), naive_energy(maps, target, valid), rtol=2e-6)


def test_agree_with_quantus_where_the_definitions_do() -> None:
    # Quantus knows no tolerance and no void pixels, and of non-negative maps it takes the same sums.
    quantus = pytest.importorskip("quantus")
    maps, target, _ = example(seed=2, count=16)
    maps = maps.abs()
    settings = {"disable_warnings": True}
    for reference, scores in (
        (quantus.PointingGame(**settings), pointing_game(maps, target, tolerance=0)),
        (quantus.RelevanceMassAccuracy(**settings), energy_pointing_game(maps, target)),
    ):
        expected = reference.evaluate_batch(a_batch=maps.numpy(), s_batch=target.numpy())
        np.testing.assert_allclose(scores.numpy(), expected, rtol=2e-6)


@pytest.mark.parametrize("value", [-2.0, 0.0, 0.5])
def test_a_constant_map_points_blindly(value: float) -> None:
    _, target, valid = example()
    maps = torch.full(target.shape, value)
    share = (target & valid).sum((1, 2)) / valid.sum((1, 2))
    torch.testing.assert_close(pointing_game(maps, target, valid, tolerance=0), share)
    expected = share if value > 0 else torch.zeros(6)
    torch.testing.assert_close(energy_pointing_game(maps, target, valid), expected)


def test_the_object_itself_and_its_opposite() -> None:
    _, target, valid = example()
    for given in (None, valid):
        assert pointing_game(target.float(), target, given, tolerance=0).tolist() == [1.0] * 6
        assert pointing_game((~target).float(), target, given, tolerance=0).tolist() == [0.0] * 6
        assert energy_pointing_game(target.float(), target, given).tolist() == [1.0] * 6
        assert energy_pointing_game((~target).float(), target, given).tolist() == [0.0] * 6


@pytest.mark.parametrize(("metric", "function"), PAIRS)
def test_nothing_to_hit(metric, function) -> None:
    maps, target, valid = example(count=3)
    nothing = torch.zeros_like(target)
    assert function(maps, nothing).tolist() == [0.0] * 3
    assert function(maps, target, ~target).tolist() == [0.0] * 3
    assert function(maps, target, nothing).tolist() == [0.0] * 3
    state = metric()
    target[1] = False
    state.update(maps, target, valid)
    assert (state.empty_count.item(), state.nan_count.item(), state.count.item()) == (1, 0, 3)


def test_a_map_without_positive_energy_is_counted_as_empty() -> None:
    maps, target, valid = example(count=3)
    maps[0] = -maps[0].abs()
    # What is positive is void.
    valid[1] = maps[1] <= 0
    state = EnergyPointingGame()
    state.update(maps, target, valid)
    assert energy_pointing_game(maps, target, valid)[:2].tolist() == [0.0, 0.0]
    assert (state.empty_count.item(), state.nan_count.item(), state.count.item()) == (2, 0, 3)


def test_void_pixels_never_count() -> None:
    maps, target, valid = example(share=0.1)
    flipped = torch.where(valid, target, ~target)
    for fill in (torch.full_like(maps, 100), torch.full_like(maps, -100)):
        other = torch.where(valid, maps, fill)
        for tolerance in (0, 2):
            scores = pointing_game(maps, target, valid, tolerance)
            assert torch.equal(pointing_game(other, flipped, valid, tolerance), scores)
        assert torch.equal(energy_pointing_game(other, flipped, valid), energy_pointing_game(maps, target, valid))


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e30, 3e38])
def test_scale_does_not_matter(scale: float) -> None:
    maps = torch.tensor([[[1.0, 0.5, 0.25, 0.25]]]) * scale
    target = torch.tensor([[[True, False, True, False]]])
    # Numbers as small as 1e-42 have three digits only.
    assert energy_pointing_game(maps, target).item() == pytest.approx(1.25 / 2, rel=2e-3)
    assert pointing_game(maps, target, tolerance=0).item() == 1


def test_a_channel_of_one_is_accepted() -> None:
    maps, target, valid = example()
    for function in FUNCTIONS:
        values = function(maps[:, None], target[:, None], valid[:, None])
        assert torch.equal(values, function(maps, target, valid))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype: torch.dtype) -> None:
    maps = torch.full((1, 400, 400), 2.0, dtype=dtype)
    target = torch.zeros(1, 400, 400, dtype=torch.bool)
    target[:, :, :100] = True
    assert energy_pointing_game(maps, target).item() == pytest.approx(0.25)
    assert pointing_game(maps, target, tolerance=0).item() == pytest.approx(0.25)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize(("metric", "function"), PAIRS)
def test_nan_is_the_worst_score_and_is_counted(metric, function, value: float) -> None:
    maps, target, valid = example()
    good = function(maps, target, valid)
    maps[2, 0, 0] = value
    scores = function(maps, target, valid)
    assert scores[2] == 0
    assert torch.equal(scores[[0, 1, 3, 4, 5]], good[[0, 1, 3, 4, 5]])
    assert function(maps, torch.ones_like(target))[2] == 0
    state = metric()
    state.update(maps, target, valid)
    assert state.compute().item() == pytest.approx(scores.mean().item())
    assert (state.nan_count.item(), state.empty_count.item(), state.count.item()) == (1, 0, 6)


@pytest.mark.parametrize(("metric", "function"), PAIRS)
def test_the_mean_does_not_depend_on_how_images_are_spread(metric, function) -> None:
    maps, target, valid = example(count=7)
    maps[6], target[5] = torch.nan, False
    whole, first, second = metric(), metric(), metric()
    whole.update(maps, target, valid)
    first.update(maps[:2], target[:2], valid[:2])
    second.update(maps[2:], target[2:], valid[2:])
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), whole.compute())
    torch.testing.assert_close(whole.compute(), function(maps, target, valid).mean())
    assert first.nan_count == whole.nan_count == 1
    assert first.empty_count == whole.empty_count == 1
    assert whole.higher_is_better is True


@pytest.mark.parametrize("metric", [PointingGame, EnergyPointingGame])
def test_an_empty_batch_adds_nothing(metric) -> None:
    state = metric()
    state.update(torch.zeros(0, 4, 4), torch.zeros(0, 4, 4, dtype=torch.bool))
    assert state.count == 0


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("maps", "target", "valid", "message"),
    [
        (torch.ones(1, 2, 2, dtype=torch.uint8), torch.ones(1, 2, 2).bool(), None, "maps is torch.uint8"),
        (torch.ones(1, 2, 2), torch.full((1, 2, 2), 255, dtype=torch.uint8), None, "valid"),
        (torch.ones(1, 2, 2), torch.ones(1, 2, 2), None, "target is torch.float32"),
        (torch.ones(1, 2, 2), torch.ones(1, 2, 3).bool(), None, "target has shape"),
        (torch.ones(1, 2, 2), torch.ones(1, 2, 2).bool(), torch.ones(1, 3, 2).bool(), "valid has shape"),
        (torch.ones(2, 2), torch.ones(2, 2).bool(), None, "maps has shape"),
        (torch.ones(1, 3, 2, 2), torch.ones(1, 2, 2).bool(), None, "maps has shape"),
    ],
)
def test_bad_input(function, maps: Tensor, target: Tensor, valid: Tensor | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        function(maps, target, valid)


def test_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(InputError, match="tolerance=-1"):
        pointing_game(torch.ones(1, 2, 2), torch.ones(1, 2, 2).bool(), tolerance=-1)
