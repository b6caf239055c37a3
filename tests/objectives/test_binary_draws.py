from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.classifiers import SmallResNet
from explanans.errors import InputError
from explanans.explanandum import Explanandum
from explanans.objectives.binary_draws import BinaryDraws, binary_concrete
from explanans.preprocessing import Preprocessing

LABELS = torch.tensor([[1.0, 0, 0], [0, 1, 1]])


@pytest.fixture(scope="module")
def classifier() -> Explanandum:
    torch.manual_seed(0)
    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Explanandum(SmallResNet(3), classes=["a", "b", "c"], activation="sigmoid", preprocessing=preprocessing)


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 16, 16, generator=generator), torch.randn(2, 3, 32, 32, generator=generator)


def test_a_draw_is_binary_and_one_with_the_probability_of_the_sigmoid() -> None:
    logits = torch.tensor([-2.0, 0.0, 1.0])[:, None].expand(3, 20_000)
    drawn = binary_concrete(logits, 1.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn, drawn.round())
    assert set(drawn.round().unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(1), logits[:, 0].sigmoid(), atol=0.012, rtol=0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_gradient_is_that_of_the_relaxation(temperature: float) -> None:
    logits = torch.linspace(-3, 3, 50).requires_grad_()
    binary_concrete(logits, temperature, torch.Generator().manual_seed(3)).sum().backward()
    uniform = torch.empty(50).uniform_(1e-4, 1 - 1e-4, generator=torch.Generator().manual_seed(3))
    relaxed = ((logits.detach() + (uniform / (1 - uniform)).log()) / temperature).sigmoid()
    torch.testing.assert_close(logits.grad, relaxed * (1 - relaxed) / temperature)


def test_the_generator_decides_the_draw() -> None:
    logits = torch.zeros(100)
    first, again, other = (binary_concrete(logits, 1.0, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_term_is_finite_and_moves_the_masks(classifier: Explanandum) -> None:
    logits, images = inputs()
    logits.requires_grad_()
    made = BinaryDraws()(logits, images, LABELS, classifier, generator=torch.Generator().manual_seed(0))
    again = BinaryDraws()(logits, images, LABELS, classifier, generator=torch.Generator().manual_seed(0))
    for name, term in made.items():
        assert torch.equal(term, again[name]), name
        (gradient,) = torch.autograd.grad(term, logits, retain_graph=True)
        assert gradient.isfinite().all(), name
        assert gradient.abs().sum() > 0, name


def test_images_without_a_label_count_for_nothing_but_their_absent_classes(classifier: Explanandum) -> None:
    made = BinaryDraws()(*inputs(), torch.zeros(2, 3), classifier)
    for name in ("removed", "area", "edges"):
        assert made[name].item() == 0, name
    assert made["absent"].item() > 0


def test_bad_settings_are_named() -> None:
    with pytest.raises(InputError, match="grids="):
        BinaryDraws(grids=(1,))
