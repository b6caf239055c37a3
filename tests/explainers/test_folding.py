from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from explanans.explainers.folding import fold_batch_norms
from explanans.explainers.networks import build_network


def settled(network: nn.Module) -> nn.Module:
    """The network with batch-norm statistics and scales that differ from channel to channel."""
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            for tensor in (part.running_mean, part.bias):
                tensor.data.normal_(0, 0.2, generator=generator)
            for tensor in (part.running_var, part.weight):
                tensor.data.uniform_(0.5, 1.5, generator=generator)
    return network


def images(size: int = 64) -> Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


def norms(network: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in network.modules())


def test_one_convolution_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0.0))
    network[0].weight.data.fill_(2.0)
    network[1].running_mean.fill_(1.0)
    network[1].running_var.fill_(4.0)
    network[1].weight.data.fill_(3.0)
    network[1].bias.data.fill_(0.5)
    folded = fold_batch_norms(network, images(4))
    # (2 x − 1) · 3 / 2 + 0.5 = 3 x − 1.
    torch.testing.assert_close(folded[0].weight, torch.full((1, 3, 1, 1), 3.0))
    torch.testing.assert_close(folded[0].bias, torch.tensor([-1.0]))


@pytest.mark.parametrize("name", ["light/mobilenetv2_100?pad_type=same", "light/resnet18", "unet/resnet18"])
def test_every_batch_norm_goes_and_the_answer_stays(name: str) -> None:
    network = settled(build_network(name, 3, None)).eval()
    before = copy.deepcopy(network.state_dict())
    folded = fold_batch_norms(network, images())
    assert norms(network) > 0
    assert norms(folded) == 0
    torch.testing.assert_close(folded(images()), network(images()), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_a_convolution_that_is_used_twice_keeps_its_batch_norm() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.conv(self.conv(x)))

    network = settled(Twice()).eval()
    folded = fold_batch_norms(network, images(8))
    assert norms(folded) == 1
    torch.testing.assert_close(folded(images(8)), network(images(8)))


def test_where_something_else_reads_the_convolution_nothing_changes() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            features = self.conv(x)
            return self.norm(features) + features

    network = settled(Shared()).eval()
    folded = fold_batch_norms(network, images(8))
    torch.testing.assert_close(folded(images(8)), network(images(8)))


def test_modes_stay_as_they_were() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Dropout()).train()
    network[2].eval()
    folded = fold_batch_norms(network, images(8))
    assert [part.training for part in network] == [True, True, False]
    assert not any(part.training for part in folded.modules())
