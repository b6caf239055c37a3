from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.explainers.networks import build_network
from explanans.explainers.networks.heads import class_maps
from explanans.images.preprocessing import Preprocessing
from explanans.ops.class_maps import FactoredMaps, WholeMaps

pytestmark = pytest.mark.usefixtures("double", "none_are_few")

CLASSES = 5


def network_of(name: str, channels: int = 3, side: int = 64) -> nn.Module:
    torch.manual_seed(0)
    preprocessing = Preprocessing(side, (0.5,) * channels, (0.25,) * channels)
    classifier = Explanandum(
        SmallResNet(CLASSES, widths=[8, 16], channels=channels),
        classes=[str(number) for number in range(CLASSES)],
        activation="sigmoid",
        preprocessing=preprocessing,
    )
    network = build_network(name, CLASSES, None, classifier).eval()
    # Heads that start at zero would hide what they are given.
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and part.out_channels == CLASSES:
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    return network


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("compact", 64),
        ("compact/small_resnet", 64),
        ("trunk?width=8", 64),
        ("trunk?width=8", 16),
        ("light/test_efficientnet", 64),
        ("light/test_efficientnet", 256),
    ],
)
def test_maps_and_gradients_of_parameters_are_those_of_the_forward_pass(name: str, side: int) -> None:
    network, images = network_of(name, side=side), torch.randn(2, 3, side, side)
    parameters = [each for each in network.parameters() if each.requires_grad]
    maps, logits = class_maps(network, images), network(images)
    assert isinstance(maps, FactoredMaps)
    assert maps.shape == logits.shape
    made = maps.of(*torch.ones(2, CLASSES).nonzero(as_tuple=True)).view_as(logits)
    torch.testing.assert_close(made, logits, atol=1e-10, rtol=1e-10)
    weights = torch.randn_like(logits)
    found, wanted = (
        torch.autograd.grad((each * weights).sum(), parameters, allow_unused=True) for each in (made, logits)
    )
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-8, rtol=1e-8)


def test_no_two_parameters_share_the_memory_of_a_gradient() -> None:
    """Clipping changes gradients in place, one parameter after the other."""
    network = network_of("compact")
    maps = class_maps(network, torch.randn(2, 3, 64, 64))
    maps.softplus_sum(torch.ones(2, CLASSES, dtype=torch.bool)).backward()
    places = [each.grad.data_ptr() for each in network.parameters() if each.grad is not None]
    assert len(set(places)) == len(places) > 1


def test_a_network_of_colours_makes_maps_of_grey_pictures() -> None:
    network, images = network_of("compact", channels=1), torch.randn(2, 1, 64, 64)
    maps = class_maps(network, images)
    assert isinstance(maps, FactoredMaps)
    made = maps.of(torch.tensor([0, 1]), torch.tensor([4, 2]))
    torch.testing.assert_close(made, network(images)[[0, 1], [4, 2]])


def test_other_networks_make_all_maps_at_once() -> None:
    class Own(nn.Conv2d):
        pass

    network, images = Own(3, CLASSES, 1), torch.randn(2, 3, 8, 8)
    maps: WholeMaps | Tensor = class_maps(network, images)
    assert isinstance(maps, WholeMaps)
    torch.testing.assert_close(maps.logits, network(images).float())


def test_maps_of_few_classes_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_network("compact", 4, encoder_weights=None).eval()
    images = torch.randn(2, 3, 64, 64)
    monkeypatch.setattr("explanans.ops.class_maps.FEW", 3)
    assert isinstance(class_maps(network, images), FactoredMaps)
    monkeypatch.setattr("explanans.ops.class_maps.FEW", 4)
    maps = class_maps(network, images)
    assert isinstance(maps, WholeMaps)
    torch.testing.assert_close(maps.logits, network(images).float())
