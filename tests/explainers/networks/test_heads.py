"""The masks of a few classes are those that all classes would have got, and take no memory for the others."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.explainers.explainer import Explainer
from explanans.explainers.networks.heads import ClassHead, only
from explanans.images.preprocessing import Preprocessing

CLASSES = 7


def explainer(network: str | nn.Module) -> Explainer:
    torch.manual_seed(0)
    classifier = Explanandum(
        SmallResNet(CLASSES, (4, 8)),
        classes=[f"class {number}" for number in range(CLASSES)],
        activation="softmax",
        preprocessing=Preprocessing(64, (0.5,) * 3, (0.25,) * 3),
    )
    made = Explainer(classifier, network, encoder_weights=None)
    for part in made.network.modules():
        if isinstance(part, ClassHead):
            nn.init.normal_(part.weight, std=1.0)
    made.calibrate(1.5, -0.25)
    return made


@pytest.mark.parametrize(
    "network",
    ["compact", "light/resnet10t", "trunk", "unet/resnet10t", "deeplabv3_resnet50", nn.Conv2d(3, CLASSES, 1)],
    ids=lambda network: network if isinstance(network, str) else "own",
)
def test_the_masks_of_some_are_those_of_all(network: str | nn.Module) -> None:
    made = explainer(network)
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    asked = torch.zeros(3, CLASSES, dtype=torch.bool)
    asked[0, 5] = asked[0, 2] = asked[2, 2] = True
    with torch.no_grad():
        expected = made.eval()(images)[asked]
    assert torch.allclose(made.masks_of(images, asked), expected, atol=1e-5)
    probabilities, draw = made.look(images)
    assert torch.allclose(draw(asked), expected, atol=1e-5)
    assert torch.allclose(probabilities, made.explanandum.probabilities(images))
    assert draw(torch.zeros_like(asked)).shape == (0, 64, 64)
    # Afterwards it answers for all again.
    with torch.no_grad():
        assert torch.equal(made(images)[asked], expected)


def test_only_what_is_asked_for_is_computed() -> None:
    head = ClassHead(2, 5, 1)
    features = torch.rand(1, 2, 4, 4)
    whole = head(features)
    with only(nn.Sequential(head), torch.tensor([3, 0])) as narrowed:
        assert narrowed
        some = head(features)
    assert some.shape == (1, 2, 4, 4)
    assert torch.allclose(some, whole[:, [3, 0]])
    with pytest.raises(KeyError), only(head, torch.tensor([1])):
        raise KeyError
    assert head(features).shape == (1, 5, 4, 4)
    with only(nn.Conv2d(1, 1, 1), torch.tensor([0])) as narrowed:
        assert not narrowed


def test_a_head_takes_the_place_of_a_convolution_with_its_parameters() -> None:
    convolution = nn.Conv2d(3, 4, 3, padding=1)
    head = ClassHead.instead_of(convolution)
    assert head.weight is convolution.weight
    assert torch.equal(head(torch.ones(1, 3, 5, 5)), convolution(torch.ones(1, 3, 5, 5)))
    assert list(head.state_dict()) == ["weight", "bias"]
