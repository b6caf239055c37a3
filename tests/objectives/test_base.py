from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor

from explanans.objectives.base import (
    absence_loss,
    classification_loss,
    drawn_classes,
    ignorance_loss,
    total_variation,
)


def test_sigmoid_classification_by_hand() -> None:
    # σ(0) = 1/2 and σ(log 3) = 3/4.
    logits = torch.tensor([[0.0, math.log(3)]])
    expected = -(math.log(0.5) + math.log(0.25)) / 2
    assert float(classification_loss(logits, torch.tensor([[1.0, 0]]), "sigmoid")) == pytest.approx(expected)


def test_softmax_classification_by_hand() -> None:
    # Softmax of (log 1, log 2, log 5) is (1/8, 2/8, 5/8).
    logits = torch.tensor([[1.0, 2, 5], [1, 2, 5], [1, 2, 5]]).log()
    labels = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 0, 0]])
    expected = -(math.log(2 / 8) + (math.log(1 / 8) + math.log(5 / 8)) / 2 + 0) / 3
    assert float(classification_loss(logits, labels, "softmax")) == pytest.approx(expected)


def test_softmax_ignorance_is_the_papers() -> None:
    logits = torch.tensor([[1.0, 2, 5]]).log()
    expected = sum(p * math.log(p) for p in (1 / 8, 2 / 8, 5 / 8)) / 3
    assert float(ignorance_loss(logits, torch.zeros(1, 3), "softmax")) == pytest.approx(expected)
    assert float(ignorance_loss(torch.zeros(1, 3), torch.zeros(1, 3), "softmax")) == pytest.approx(-math.log(3) / 3)


def test_sigmoid_ignorance_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3)]])
    expected = (2 * 0.5 * math.log(0.5) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / 2
    assert float(ignorance_loss(logits, torch.zeros(1, 2), "sigmoid")) == pytest.approx(expected)


def test_absent_asks_for_labels_to_vanish_and_for_nothing_else() -> None:
    logits = torch.tensor([[0.0, math.log(3), 7.0], [3.0, 3.0, 3.0]])
    labels = torch.tensor([[1, 1, 0], [0, 0, 0]])
    expected = -(math.log(0.5) + math.log(0.25)) / 2 / 2
    assert float(ignorance_loss(logits, labels, "absent")) == pytest.approx(expected)


@pytest.mark.parametrize("form", ["softmax", "sigmoid", "absent"])
def test_certain_logits_stay_finite(form: str) -> None:
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = ignorance_loss(logits, torch.tensor([[1, 0]]), form)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_losses_of_certain_logits_stay_finite(activation: Literal["sigmoid", "softmax"]) -> None:
    labels = torch.tensor([[1, 0, 0], [0, 1, 0]])
    for loss_of in (classification_loss, absence_loss):
        logits = torch.tensor([[1e4, -1e4, 0], [1e4, -1e4, 0]], requires_grad=True)
        loss = loss_of(logits, labels, activation)
        loss.backward()
        assert loss.isfinite()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("loss_of", [classification_loss, absence_loss])
def test_losses_have_the_right_gradient(loss_of: Callable[..., Tensor], activation: str) -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    assert torch.autograd.gradcheck(lambda z: loss_of(z, labels, activation), logits)


@pytest.mark.parametrize("copies", [2, 7])
def test_the_scale_depends_on_neither_classes_nor_labels(copies: int) -> None:
    """All but the paper's softmax entropy, which is divided by C twice over, are means."""
    logits, labels = torch.tensor([[0.3, -1.2]]), torch.tensor([[1.0, 0]])
    many, many_labels = logits.repeat(1, copies), labels.repeat(1, copies)
    for form in ("sigmoid", "absent"):
        once = ignorance_loss(logits, labels, form)
        torch.testing.assert_close(ignorance_loss(many, many_labels, form), once)
    once = classification_loss(logits, labels, "sigmoid")
    torch.testing.assert_close(classification_loss(many, many_labels, "sigmoid"), once)


def test_variation_by_hand() -> None:
    mask = torch.tensor([[[0.0, 1.0], [0.25, 0.5]]])
    right = (1.0 + 0.25) / 2
    down = (0.25 + 0.5) / 2
    assert float(total_variation(mask)) == pytest.approx(right + down)


def test_no_border_is_counted_twice() -> None:
    """A step between the last two columns weighs as much as one in the middle."""
    inner, outer = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    inner[..., 2:] = 1
    outer[..., 3:] = 1
    expected = 4 / (4 * 3)
    assert float(total_variation(inner)) == pytest.approx(expected)
    assert float(total_variation(outer)) == pytest.approx(expected)
    assert float(total_variation(outer.mT)) == pytest.approx(expected)


@pytest.mark.parametrize(("height", "width", "expected"), [(1, 3, 1.0), (3, 1, 1.0), (1, 1, 0.0)])
def test_a_single_row_or_column_has_no_pairs(height: int, width: int, expected: float) -> None:
    mask = torch.tensor([0.0, 1.0, 0.0])[: height * width].view(1, height, width)
    assert float(total_variation(mask)) == expected


def test_variation_has_the_right_gradient() -> None:
    masks = torch.rand(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(total_variation, masks)


@pytest.mark.parametrize("form", ["softmax", "sigmoid", "absent"])
def test_ignorance_has_the_right_gradient(form: str) -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    assert torch.autograd.gradcheck(lambda z: ignorance_loss(z, labels, form), logits)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_absence_is_asked_in_the_classifiers_own_probabilities(activation: Literal["sigmoid", "softmax"]) -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]], dtype=torch.float64)
    labels = torch.tensor([[1, 0, 1], [0, 1, 0]])
    expected = 0.0
    for row, present in zip(logits.tolist(), labels.tolist(), strict=True):
        total = sum(math.exp(value) for value in row)
        for value, label in zip(row, present, strict=True):
            p = 1 / (1 + math.exp(-value)) if activation == "sigmoid" else math.exp(value) / total
            expected -= label * math.log(1 - p) / 2
    assert float(absence_loss(logits, labels, activation)) == pytest.approx(expected, rel=1e-12)
    # A softmax does not know a common offset of all logits; neither may the loss.
    shifted = float(absence_loss(logits + 100, labels, activation))
    assert (shifted == pytest.approx(expected, rel=1e-9)) == (activation == "softmax")


def test_classes_are_drawn_alike_and_stand_for_all() -> None:
    """Each of 9 classes is among 3 that are drawn in a third of all draws, a label or not."""
    labels = torch.zeros(3000, 9)
    labels[:, 0] = 1
    drawn, share = drawn_classes(labels, 3, torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.bool
    assert share == pytest.approx(1 / 3)
    assert (drawn.sum(1) == 3).all()
    assert drawn.float().mean(0).tolist() == pytest.approx([1 / 3] * 9, abs=0.04)
    values = torch.arange(9.0)
    assert float((drawn * values).sum(1).mean()) / share == pytest.approx(36, rel=0.02)


def test_of_few_classes_all_are_looked_at_and_nothing_is_drawn() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    drawn, share = drawn_classes(torch.zeros(2, 9), 9, generator)
    assert drawn.all()
    assert share == 1
    assert torch.equal(generator.get_state(), before)
