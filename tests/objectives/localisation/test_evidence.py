from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explanans.errors import InputError
from explanans.objectives.localisation.evidence import Evidence


class Averaged(nn.Module):
    """Features under averaging and a linear head, with a ReLU that works in place."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 2)
        self.unused = nn.Conv2d(3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        self.unused(images)
        return self.head(self.relu(self.features(images)).mean((2, 3)))


@pytest.fixture
def network() -> Averaged:
    torch.manual_seed(0)
    return Averaged().double()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(3, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def looked(network: nn.Module, images: Tensor, layers: list[str]) -> tuple[Evidence, Tensor]:
    evidence = Evidence(layers, (6, 6))
    with evidence.watched(network, images) as watched:
        logits = network(watched)
    return evidence, logits


def test_under_averaging_it_is_the_class_activation_map(network: Averaged, images: Tensor) -> None:
    evidence, logits = looked(network, images, ["relu"])
    (found,) = evidence.of(logits, torch.tensor([0, 2]), torch.tensor([1, 0]))
    features = network.features(images).relu()
    for row, (image, column) in enumerate([(0, 1), (2, 0)]):
        expected = torch.einsum("k,khw->hw", network.head.weight[column], features[image]) / 36
        torch.testing.assert_close(found[row].double(), expected)


def test_at_the_input_it_is_input_times_gradient(network: Averaged, images: Tensor) -> None:
    evidence, logits = looked(network, images, ["input"])
    (found,) = evidence.of(logits, torch.tensor([1]), torch.tensor([0]))
    picture = images[1:2].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(picture)[0, 0], picture)
    torch.testing.assert_close(found[0].double(), (picture * gradient)[0].sum(0).detach())


def test_it_trains_the_weights(network: Averaged, images: Tensor) -> None:
    """The gradient of a function of the evidence, against finite differences."""

    def value() -> Tensor:
        evidence, logits = looked(network, images, ["features", "input"])
        first, second = evidence.of(logits, torch.tensor([0]), torch.tensor([1]))
        return first[0, 2, 3].double() + second[0, 1, 1].double().square()

    for weight in (network.head.weight, network.features.weight):
        (gradient,) = torch.autograd.grad(value(), weight)
        step = torch.zeros_like(weight).flatten()
        step[1] = 1e-3
        moved = []
        for change in (step, -2 * step):
            weight.data += change.view_as(weight)
            moved.append(float(value().detach()))
        weight.data += step.view_as(weight)
        above, below = moved
        assert float(gradient.flatten()[1]) == pytest.approx((above - below) / 2e-3, rel=1e-2, abs=1e-5)


def test_no_hook_stays(network: Averaged, images: Tensor) -> None:
    looked(network, images, ["relu", "input"])
    assert not any(part._forward_hooks for part in network.modules())


@pytest.mark.parametrize(("layer", "complaint"), [("unused", "has no part in the logits"), ("head", "returns")])
@pytest.mark.bad_input
def test_layers_that_say_nothing(network: Averaged, images: Tensor, layer: str, complaint: str) -> None:
    evidence, logits = looked(network, images, [layer])
    with pytest.raises(InputError, match=complaint):
        evidence.of(logits, torch.tensor([0]), torch.tensor([1]))
