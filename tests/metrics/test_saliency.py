from __future__ import annotations

import math

import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import SaliencyMetric, saliency_metric


def test_hand_worked_values() -> None:
    mask = torch.zeros(3, 10, 10)
    mask[0, :5] = 1.0
    mask[1, 0, 0] = 1.0
    probabilities = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.0, 0.9, 0.0]])
    labels = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 0, 0]])
    values = saliency_metric(mask, probabilities, labels)
    assert values[0].item() == pytest.approx(math.log(0.5) - math.log(0.7))
    assert values[1].item() == pytest.approx(math.log(0.05) - math.log(0.3))  # the area is bounded below
    assert values[2].item() == pytest.approx(math.log(0.05) - math.log(1e-6))  # the probability is clipped


def test_a_class_counts_once_however_it_is_marked() -> None:
    mask, probabilities = torch.ones(1, 4, 4), torch.tensor([[0.25, 0.75]])
    once = saliency_metric(mask, probabilities, torch.tensor([[1, 0]]))
    thrice = saliency_metric(mask, probabilities, torch.tensor([[3, 0]]))
    assert torch.equal(once, thrice)
    assert once.item() == pytest.approx(-math.log(0.25))


def test_nan_is_the_worst_score_and_metrics_merge() -> None:
    mask = torch.rand(4, 1, 5, 5)
    probabilities = torch.rand(4, 3)
    labels = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1]])
    mask[1, 0, 2, 2] = torch.nan
    probabilities[2, 0] = torch.nan
    probabilities[3, 0] = torch.nan  # not a label, so it does not matter
    values = saliency_metric(mask, probabilities, labels)
    assert values[1].item() == values[2].item() == pytest.approx(-math.log(1e-6))
    assert values[3] < values[1]
    first, second = SaliencyMetric(), SaliencyMetric()
    first.update(mask[:2], probabilities[:2], labels[:2])
    second.update(mask[2:], probabilities[2:], labels[2:])
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), values.mean())
    assert first.nan_count == 2
    assert first.higher_is_better is False


@pytest.mark.parametrize(
    ("mask", "probabilities", "labels", "message"),
    [
        (torch.ones(1, 2, 2), torch.ones(1, 3), torch.zeros(1, 3), "has none"),
        (torch.ones(1, 2, 2), torch.ones(1, 3), torch.ones(1, 2), "do not fit"),
        (torch.ones(2, 2, 2), torch.ones(1, 3), torch.ones(1, 3), "do not fit"),
        (torch.ones(1, 2, 2) * 2, torch.ones(1, 3), torch.ones(1, 3), "mask has values"),
        (torch.ones(1, 2, 2), torch.ones(1, 3) * 4, torch.ones(1, 3), "probabilities has values"),
    ],
)
def test_bad_input(mask, probabilities, labels, message: str) -> None:
    with pytest.raises(InputError, match=message):
        saliency_metric(mask, probabilities, labels)
