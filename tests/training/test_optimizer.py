from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from explanans.errors import InputError
from explanans.training.optimizer import Optimizer, cosine, update_average


def test_the_schedule_by_hand() -> None:
    """1000 steps: 30 of warm-up, half way down at 500, 5 % at the end."""
    assert cosine(0, 1000) == pytest.approx(1 / 30)
    assert cosine(29, 1000) == pytest.approx(0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * 0.029)))
    assert cosine(500, 1000) == pytest.approx(0.525)
    assert cosine(1000, 1000) == pytest.approx(0.05)
    assert cosine(2000, 1000) == pytest.approx(0.05)
    assert cosine(0, 1) == 1


def test_the_average_by_hand() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = Optimizer(ema_decay=0.9).averaged(network)
    expected = None
    for step, value in enumerate((1.0, 4.0, -2.0, 8.0)):
        nn.init.constant_(network.weight, value)
        update_average(average, network)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = value if expected is None else decay * expected + (1 - decay) * value
    assert average.module.weight.item() == pytest.approx(expected)


def test_the_average_is_short_until_its_decay_is_reached() -> None:
    """From 1 on: 2/11 of it after one step and 3/12 after two, and never more than the decay of 0.2."""
    network = nn.Linear(1, 1, bias=False)
    average = Optimizer(ema_decay=0.2).averaged(network)
    found = []
    for value in (1.0, 4.0, -2.0, 8.0):
        nn.init.constant_(network.weight, value)
        update_average(average, network)
        found.append(average.module.weight.item())
    second = 2 / 11 * 1 + 9 / 11 * 4
    third = 0.2 * second + 0.8 * -2
    assert found == pytest.approx([1, second, third, 0.2 * third + 0.8 * 8])
    assert not any(parameter.requires_grad for parameter in average.parameters())


def test_buffers_are_copied_to_the_average() -> None:
    network = nn.BatchNorm1d(2)
    average = Optimizer(ema_decay=0.9).averaged(network)
    for _ in range(3):
        network(torch.randn(8, 2))
        update_average(average, network)
    assert torch.equal(average.module.running_mean, network.running_mean)
    assert average.module.num_batches_tracked == 3


def test_without_an_average_there_is_none() -> None:
    assert Optimizer().averaged(nn.Linear(1, 1)) is None


def test_rates_by_part() -> None:
    fresh, pretrained = nn.Linear(2, 2), nn.Linear(3, 3)
    chosen = Optimizer(1e-3, pretrained_factor=0.1)
    optimiser = chosen.build(fresh.parameters(), pretrained.parameters(), 10)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([1e-3, 1e-4])
    assert all(group["weight_decay"] == 0 for group in optimiser.param_groups)
    frozen = Optimizer(1e-3, pretrained_factor=0)
    optimiser = frozen.build(fresh.parameters(), pretrained.parameters(), 10)
    assert len(optimiser.param_groups) == 1
    assert not any(parameter.requires_grad for parameter in pretrained.parameters())


def test_the_cosine_comes_with_its_optimiser() -> None:
    network = nn.Linear(2, 2)
    result = Optimizer(1e-3, schedule="cosine").build(network.parameters(), [], 1000)
    assert result["lr_scheduler"]["interval"] == "step"
    assert result["optimizer"].param_groups[0]["lr"] == pytest.approx(1e-3 / 30)


@pytest.mark.parametrize("settings", [{"lr": 0}, {"ema_decay": 1.0}, {"pretrained_factor": -1}, {"schedule": "step"}])
def test_bad_settings_are_named(settings: dict) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        Optimizer(**settings)
