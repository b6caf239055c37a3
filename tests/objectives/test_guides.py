"""Guides that are made once: what is averaged, what is trusted, and what the guided objective learns from them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.methods.spread_cam import SpreadCAM
from explanans.objectives.guided import Guided, guide_of
from explanans.objectives.guides import VOID, in_eight_bits, seen_often
from explanans.ops.refinement import compete, stretch

LABELS = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 1, 1]])


@pytest.fixture(scope="module")
def classifier() -> Explanandum:
    torch.manual_seed(0)
    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Explanandum(SmallResNet(3), classes=("a", "b", "c"), activation="sigmoid", preprocessing=preprocessing)


def images() -> Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_all_scales_and_the_mirrored_picture_are_averaged(classifier: Explanandum) -> None:
    guide, asked = guide_of(classifier), LABELS.bool()
    total = torch.zeros(3, 8, 8)
    for scale in (1.0, 2.0):
        total += guide.at(images(), asked, (8, 8), scale=scale)
        total += guide.at(images().flip(-1), asked, (8, 8), scale=scale).flip(-1)
    found = seen_often(guide, images(), asked, (8, 8), (1.0, 2.0))
    torch.testing.assert_close(found, stretch(total))
    mirrored = seen_often(guide, images().flip(-1), asked, (8, 8), (1.0, 2.0))
    torch.testing.assert_close(mirrored, found.flip(-1), atol=1e-4, rtol=0)


def test_eight_bits_leave_out_what_is_unsure() -> None:
    maps = torch.tensor([[[0.0, 0.2, 0.3, 0.5, 0.7, 0.8, 1.0]]])
    told = in_eight_bits(maps, torch.tensor([0]), 0.75, "all")
    # Between 1/4 and 3/4; 254 · 0.2 = 50.8 and 254 · 0.8 = 203.2.
    assert told.tolist() == [[[0, 51, VOID, VOID, VOID, 203, 254]]]
    assert in_eight_bits(maps, torch.tensor([0]), 0.5, "all").tolist() == [[[0, 51, 76, 127, 178, 203, 254]]]


def test_a_contested_pixel_is_the_strongest_ones_and_nothing_to_the_others() -> None:
    # Two maps of image 0 and one of image 1: only the first pixel is claimed twice.
    maps = torch.tensor([[[0.9, 0.6, 0.2]], [[0.8, 0.4, 0.1]], [[0.7, 0.7, 0.7]]])
    told = in_eight_bits(maps, torch.tensor([0, 0, 1]), 0.5, "strongest")
    assert told.tolist() == [[[229, 152, 51]], [[VOID, 102, 25]], [[178, 178, 178]]]
    assert not (in_eight_bits(maps, torch.tensor([0, 0, 1]), 0.5, "all") == VOID).any()
    # Level with each other, both learn.
    level = torch.full((2, 1, 1), 0.6)
    assert in_eight_bits(level, torch.tensor([0, 0]), 0.5, "strongest").flatten().tolist() == [152, 152]
    assert in_eight_bits(torch.zeros(0, 1, 1), torch.zeros(0, dtype=torch.long), 0.5, "strongest").shape == (0, 1, 1)


@pytest.mark.parametrize("contested", ["all", "strongest"])
def test_the_guides_of_the_objective(classifier: Explanandum, contested: str) -> None:
    objective = Guided(once=True, scales=(2.0,), sharpness=5.0, level=0.3, contested=contested)  # type: ignore[arg-type]
    found = objective.guides(images(), LABELS, classifier, (8, 8))
    maps = seen_often(SpreadCAM(classifier, steps=2, refinements=10), images(), LABELS.bool(), (8, 8), (2.0,))
    image = torch.tensor([0, 2, 2])
    if contested == "strongest":
        maps = compete(maps, image)
    expected = in_eight_bits((5 * (maps - 0.3)).sigmoid(), image, 0.5, contested)  # type: ignore[arg-type]
    assert found.dtype == torch.uint8
    assert torch.equal(found, expected)


def test_the_network_learns_from_trusted_pixels_alone(classifier: Explanandum) -> None:
    """Cross-entropy by hand: one image, one label, four pixels of which one is void."""
    logits = torch.tensor([[[[2.0, -1.0], [0.5, 7.0]]]]).repeat(1, 3, 1, 1).requires_grad_()
    guides = torch.tensor([[[254, 0], [127, VOID]]], dtype=torch.uint8)
    made = Guided(once=True, guide_weight=3.0, start=2.0)(
        logits, images()[:1], LABELS[:1], classifier, 1.0, torch.Generator().manual_seed(0), guides=guides
    )
    softplus = [math.log1p(math.exp(x)) for x in (-2.0, -1.0, 0.5)]
    by_hand = (softplus[0] + softplus[1] + softplus[2] - 0.5 * 0.5) / 3
    assert made["guide"].item() == pytest.approx(3 * by_hand, rel=1e-5)
    (gradient,) = torch.autograd.grad(made["guide"], logits)
    assert gradient[0, 0].sign().tolist() == [[-1, 1], [1, 0]]
    assert not gradient[0, 1:].any()


def test_each_image_learns_from_the_guide_of_its_own_class(classifier: Explanandum) -> None:
    logits = torch.zeros(3, 3, 8, 8, requires_grad=True)
    # The guides of (0, a), (2, b) and (2, c): everywhere, nowhere, everywhere.
    guides = torch.tensor([254, 0, 254], dtype=torch.uint8)[:, None, None].expand(3, 8, 8)
    seen = set()
    for seed in range(12):
        made = Guided(once=True, start=2.0)(
            logits, images(), LABELS, classifier, 1.0, torch.Generator().manual_seed(seed), guides=guides
        )
        (gradient,) = torch.autograd.grad(made["guide"], logits)
        signs = gradient.mean((2, 3)).sign()
        assert signs[0].tolist() == [-1, 0, 0]
        assert signs[1].tolist() == [0, 0, 0]
        seen.add(tuple(signs[2].tolist()))
    assert seen == {(0, 1, 0), (0, 0, -1)}


def test_a_batch_without_labels_has_no_guides(classifier: Explanandum) -> None:
    made = Guided(once=True)(
        torch.zeros(3, 3, 8, 8),
        images(),
        torch.zeros(3, 3),
        classifier,
        1.0,
        torch.Generator().manual_seed(0),
        guides=torch.zeros(0, 8, 8, dtype=torch.uint8),
    )
    assert made["guide"].item() == 0


def test_guides_of_another_size_are_brought_to_the_masks(classifier: Explanandum) -> None:
    guides = torch.zeros(1, 2, 2, dtype=torch.uint8)
    guides[0, 0, 0] = 254
    logits = torch.zeros(1, 3, 4, 4, requires_grad=True)
    made = Guided(once=True, start=2.0)(
        logits, images()[:1], LABELS[:1], classifier, 1.0, torch.Generator().manual_seed(0), guides=guides
    )
    (gradient,) = torch.autograd.grad(made["guide"], logits)
    assert (gradient[0, 0] < 0).nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize(("settings", "named"), [({"sure": 0.4}, "sure"), ({"contested": "none"}, "contested='none'")])
def test_bad_settings_are_named(settings: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Guided(**settings)  # type: ignore[arg-type]
