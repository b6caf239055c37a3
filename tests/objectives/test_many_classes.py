"""Objectives that are handed maps class by class, against all maps at once as they are defined."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.explainers.networks import build_network
from explanans.explainers.networks.heads import class_maps
from explanans.images.preprocessing import Preprocessing
from explanans.objectives import OBJECTIVES, Stalder2022
from explanans.objectives.base import classification_loss, ignorance_loss, total_variation
from explanans.objectives.stalder2022 import area_bound, contenders, highest
from explanans.ops.class_maps import FactoredMaps, WholeMaps
from explanans.ops.masking import apply_mask, make_fill, merge
from explanans.ops.refinement import enlarge

pytestmark = pytest.mark.usefixtures("double", "none_are_few")

SIDE, CLASSES = 32, 9
LABELS = torch.zeros(4, CLASSES)
LABELS[0, 3] = LABELS[1, [0, 5, 8]] = LABELS[3] = 1


class Exact(SmallResNet):
    """Reads nothing in single precision."""

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(images)).mean((2, 3)))


def classifier(activation: Activation = "sigmoid") -> Explanandum:
    torch.manual_seed(0)
    module = Exact(CLASSES, widths=[8, 16])
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            # Where the picture is filled with 0, a bias of 0 would leave the kink of a ReLU to rounding.
            nn.init.normal_(part.bias)
    return Explanandum(
        module,
        classes=[str(number) for number in range(CLASSES)],
        activation=activation,
        preprocessing=Preprocessing(SIDE, (0.5,) * 3, (0.25,) * 3),
    )


def network_of(name: str, explained: Explanandum) -> nn.Module:
    network = build_network(name, CLASSES, None, explained).eval()
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and part.out_channels == CLASSES:
            nn.init.normal_(part.weight, std=0.3)
            nn.init.normal_(part.bias)
    return network


def gradients(terms: dict[str, Tensor], parameters: list[nn.Parameter]) -> dict[str, tuple[Tensor | None, ...]]:
    return {
        name: torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
        for name, term in terms.items()
        if term.requires_grad
    }


def assert_same(found: Any, wanted: Any) -> None:
    assert found.keys() == wanted.keys()
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], atol=1e-10, rtol=0, msg=lambda text, n=name: n + text)


@pytest.mark.parametrize("network_name", ["trunk?width=8", "compact", "light/test_efficientnet"])
@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_terms_and_gradients_of_parameters_are_those_of_all_logits(name: str, network_name: str) -> None:
    explained = classifier()
    network, images = network_of(network_name, explained), torch.randn(4, 3, SIDE, SIDE)
    parameters = [each for each in network.parameters() if each.requires_grad]
    maps, logits = class_maps(network, images), network(images)
    assert isinstance(maps, FactoredMaps)
    made, expected = (
        OBJECTIVES[name]()(each, images, LABELS, explained, 1.0, torch.Generator().manual_seed(3))
        for each in (maps, logits)
    )
    assert_same(made, expected)
    assert_same(gradients(made, parameters), gradients(expected, parameters))


def all_at_once(settings: Stalder2022, logits: Tensor, images: Tensor, explained: Explanandum) -> dict[str, Tensor]:
    """The paper's objective of every mask at the size of the picture."""
    masks = enlarge(logits, images.shape[-2:]).sigmoid()
    target, non_target = merge(masks, LABELS)
    fill = make_fill(settings.fill, explained.preprocessing)(images)
    kept, removed = (explained(apply_mask(images, mask, fill)) for mask in (target, 1 - target))
    bound = area_bound(masks, LABELS, settings.minimum_area, settings.maximum_area)
    return {
        "classification": classification_loss(kept, LABELS, explained.activation),
        "entropy": settings.entropy_weight * ignorance_loss(removed, LABELS, settings.ignorance),
        "area_bound": settings.bound_weight * bound,
        "area_target": settings.target_weight * target.mean(),
        "area_non_target": settings.non_target_weight * non_target.mean(),
        "tv": settings.tv_weight * (total_variation(target) + total_variation(non_target)),
    }


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("grid", [(16, 16), (7, 64), (64, 64), (1, 5), (90, 11)])
def test_the_papers_terms_are_those_of_enlarged_masks(grid: tuple[int, int], activation: Activation) -> None:
    explained, settings = classifier(activation), Stalder2022()
    logits = (2 * torch.randn(4, CLASSES, *grid)).requires_grad_()
    images = torch.randn(4, 3, SIDE, SIDE)
    made = settings(logits, images, LABELS, explained)
    expected = all_at_once(settings, logits, images, explained)
    assert_same(made, expected)
    assert_same(gradients(made, [logits]), gradients(expected, [logits]))


def test_the_highest_of_the_enlarged_maps_is_found_at_every_pixel() -> None:
    logits = torch.randn(2, CLASSES, 6, 5)
    maps, columns = WholeMaps(logits), torch.tensor([1, 2, 4, 7])
    for image in range(2):
        expected = columns[enlarge(logits[:, columns], (20, 33))[image].argmax(0)]
        assert torch.equal(highest(maps, image, columns, (20, 33)), expected)


def test_a_class_that_is_below_another_everywhere_is_no_contender() -> None:
    """A step from 0 to 4, and constants: 5 is above it, −1 below, and 2 may win beside the step."""
    step = torch.zeros(3, 4)
    step[:, 2:] = 4
    maps = WholeMaps(torch.stack([step, torch.full((3, 4), -1.0), torch.full((3, 4), 2.0)])[None])
    assert contenders(maps, 0, torch.arange(3)).tolist() == [0, 2]
    higher = WholeMaps(torch.cat([maps.logits, torch.full((1, 1, 3, 4), 5.0)], 1))
    assert contenders(higher, 0, torch.arange(4)).tolist() == [3]
    assert contenders(maps, 0, torch.arange(0)).tolist() == []


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_a_batch_without_any_label(name: str) -> None:
    explained = classifier()
    network, images = network_of("trunk?width=8", explained), torch.randn(2, 3, SIDE, SIDE)
    terms = OBJECTIVES[name]()(class_maps(network, images), images, torch.zeros(2, CLASSES), explained, 1.0)
    torch.stack(list(terms.values())).sum().backward()
    assert all(term.isfinite() for term in terms.values())
