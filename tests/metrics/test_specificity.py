from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import (
    PAPER_THRESHOLDS,
    ClassSpecificity,
    class_specificity,
    specificity_gap,
    specificity_matrix,
)


class Columns:
    """Softmax of logits that are the sum of each third of an image's columns; remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return torch.stack([part.sum((1, 2, 3)) for part in images.split(2, dim=3)], 1).softmax(1)


def example(count: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images 5 × 6, masks of three classes, a background that is not black, and one or two labels each."""
    generator = torch.Generator().manual_seed(5)
    images = torch.randn(count, 3, 5, 6, generator=generator) / 3
    masks = torch.rand(count, 3, 5, 6, generator=generator)
    background = torch.randn(count, 3, 5, 6, generator=generator) / 9
    labels = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 0, 1], [0, 1, 0]]).repeat(2, 1)[:count]
    return images, masks, background, labels


def test_the_definition_by_hand() -> None:
    # Two pixels, two classes: logit r is pixel r, so what a mask keeps can be read off.
    images = torch.tensor([2.0, 1.0]).view(1, 1, 1, 2).repeat(1, 3, 1, 1)
    masks = torch.tensor([[[[0.55, 0.0]], [[0.2, 0.85]]]])

    def classify(batch: Tensor) -> Tensor:
        return batch[:, 0, 0].softmax(1)

    values = class_specificity(classify, images, masks, torch.zeros_like(images))
    assert values.shape == (1, 2, 2)
    e = np.exp
    # Mask 0 keeps pixel 0 at 0.1 … 0.5 and nothing at the four above: logits (2, 0) and (0, 0).
    own = (5 * e(2) / (e(2) + 1) + 4 * 0.5) / 9
    assert values[0, 0].tolist() == pytest.approx([own, 1 - own])
    # Mask 1 keeps both at 0.1 and 0.2, pixel 1 at 0.3 … 0.8 and nothing at 0.9: (2, 1), (0, 1), (0, 0).
    own = (2 * e(1) / (e(2) + e(1)) + 6 * e(1) / (1 + e(1)) + 0.5) / 9
    assert values[0, 1].tolist() == pytest.approx([1 - own, own])


def test_a_value_on_the_threshold_is_kept() -> None:
    images, masks, background, _ = example(1)
    on = class_specificity(Columns(), images, torch.full_like(masks, 0.3), background, (0.3,))
    torch.testing.assert_close(on[0], Columns()(images).expand(3, 3))
    below = class_specificity(Columns(), images, torch.full_like(masks, 0.29), background, (0.3,))
    torch.testing.assert_close(below[0], Columns()(background).expand(3, 3))


def test_agrees_with_a_loop() -> None:
    images, masks, background, _ = example()
    # Few levels, so that masks of different thresholds and classes coincide.
    masks = (masks * 3).round() / 3
    expected = torch.zeros(4, 3, 3)
    for n in range(4):
        for c in range(3):
            for t in PAPER_THRESHOLDS:
                keep = (masks[n, c] >= t).float()
                expected[n, c] += Columns()((keep * images[n] + (1 - keep) * background[n])[None])[0] / 9
    torch.testing.assert_close(class_specificity(Columns(), images, masks, background), expected)


def test_equal_binary_masks_are_classified_once() -> None:
    images, masks, background, _ = example(2)
    classify = Columns()
    values = class_specificity(classify, images, masks.round(), background)
    # A binary mask is the same at all thresholds: three masks in each of two images.
    assert sum(classify.batches) == 6
    torch.testing.assert_close(
        values, class_specificity(Columns(), images, masks.round(), background, (0.5,)), rtol=1e-6, atol=1e-7
    )
    for constant, passes in ((0.0, 2), (1.0, 2), (0.55, 4)):
        # Empty or full, or both at different thresholds, whatever the class; images never share an answer.
        classify = Columns()
        class_specificity(classify, images, torch.full_like(masks, constant), background)
        assert sum(classify.batches) == passes


@pytest.mark.parametrize("batch_size", [1, 10, 1000])
def test_batches_are_bounded_and_change_nothing(batch_size: int) -> None:
    images, masks, background, _ = example()
    classify = Columns()
    values = class_specificity(classify, images, masks, background, batch_size=batch_size)
    distinct = sum(
        len({(masks[n, c] >= t).numpy().tobytes() for c in range(3) for t in PAPER_THRESHOLDS}) for n in range(4)
    )
    assert sum(classify.batches) == distinct
    assert max(classify.batches) == min(batch_size, distinct)
    torch.testing.assert_close(values, class_specificity(Columns(), images, masks, background))


def test_constant_masks_tell_no_class_from_another() -> None:
    images, masks, background, labels = example()
    values = class_specificity(Columns(), images, torch.full_like(masks, 0.7), background)
    torch.testing.assert_close(values, values[:, :1].expand(4, 3, 3))
    # A row of the matrix is then constant, and the gap is the difference of equal means.
    assert specificity_gap(specificity_matrix(values, labels)).item() == pytest.approx(0, abs=1e-6)


def test_the_objects_themselves_have_a_large_gap() -> None:
    images = torch.ones(1, 3, 5, 6)
    masks = torch.stack([(torch.arange(6) // 2 == c).float().expand(5, 6) for c in range(3)])[None]
    values = class_specificity(Columns(), images, masks, torch.zeros_like(images))
    torch.testing.assert_close(values[0], torch.eye(3))
    assert specificity_gap(specificity_matrix(values, torch.ones(1, 3))).item() == pytest.approx(1)


def test_matrix_and_gap_by_hand() -> None:
    values = torch.tensor([[[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.2, 0.8]], [[0.5, 0.5], [0.0, 1.0]]])
    labels = torch.tensor([[1, 0], [1, 1], [0, 1]])
    # Row: class of the image and of the probability; column: class of the mask. The second image has both labels.
    expected = torch.tensor(
        [[(0.9 + 0.7) / 2, (0.6 + 0.2) / 2], [(0.3 + 0.5) / 2, (0.8 + 1.0) / 2]],
    )
    matrix = specificity_matrix(values, labels)
    torch.testing.assert_close(matrix, expected)
    assert specificity_gap(matrix).item() == pytest.approx((0.8 + 0.9) / 2 - (0.4 + 0.4) / 2)


def test_a_class_without_images_is_left_out_of_the_gap() -> None:
    matrix = specificity_matrix(torch.tensor([[[0.9, 0.1], [0.6, 0.4]]]), torch.tensor([[1, 0]]))
    assert matrix[0].tolist() == pytest.approx([0.9, 0.6])
    assert matrix[1].isnan().all()
    assert specificity_gap(matrix).item() == pytest.approx(0.3)


def test_nan_is_the_worst_answer_and_is_counted() -> None:
    images, masks, background, labels = example()
    good = class_specificity(Columns(), images, masks, background)
    masks[1, 2, 0, 0] = torch.nan
    images[3] = torch.nan
    values = class_specificity(Columns(), images, masks, background)
    assert values[1, 2].tolist() == [1, 1, 0]
    torch.testing.assert_close(values[3], 1 - torch.eye(3))
    torch.testing.assert_close(values[[0, 2]], good[[0, 2]])
    torch.testing.assert_close(values[1, :2], good[1, :2])
    state = ClassSpecificity(3)
    state.update(Columns(), images, masks, labels, background)
    # One mask of image 1, all three of image 3.
    assert state.nan_count.item() == 4
    torch.testing.assert_close(state.matrix(), specificity_matrix(values, labels))


def test_the_gap_does_not_depend_on_how_images_are_spread() -> None:
    images, masks, background, labels = example(7)
    masks[6, 0] = torch.nan
    whole, first, second = ClassSpecificity(3), ClassSpecificity(3, batch_size=5), ClassSpecificity(3)
    whole.update(Columns(), images, masks, labels, background)
    first.update(Columns(), images[:1], masks[:1], labels[:1], background[:1])
    second.update(Columns(), images[1:], masks[1:], labels[1:], background[1:])
    first.merge_state(second)
    torch.testing.assert_close(first.matrix(), whole.matrix())
    torch.testing.assert_close(first.compute(), whole.compute())
    matrix = specificity_matrix(class_specificity(Columns(), images, masks, background), labels)
    torch.testing.assert_close(whole.compute(), specificity_gap(matrix))
    assert first.nan_count == whole.nan_count == 1


def test_bad_input() -> None:
    images, masks, background, labels = example()
    values = torch.zeros(4, 3, 3)
    for message, call in {
        "outside .0, 1.": lambda: class_specificity(Columns(), images, masks + 1, background),
        "masks are torch.int64": lambda: class_specificity(Columns(), images, masks.long(), background),
        "masks has shape": lambda: class_specificity(Columns(), images, masks[..., 1:], background),
        "background has shape": lambda: class_specificity(Columns(), images, masks, background[:1]),
        "ascending": lambda: class_specificity(Columns(), images, masks, background, (0.5, 0.1)),
        "thresholds=": lambda: class_specificity(Columns(), images, masks, background, ()),
        "knows 3 classes, masks have 2": lambda: class_specificity(Columns(), images, masks[:, :2], background),
        "batch_size=0": lambda: class_specificity(Columns(), images, masks, background, batch_size=0),
        "values .*labels": lambda: specificity_matrix(values, labels[:, :2]),
        "at least two classes": lambda: specificity_gap(torch.ones(1, 1)),
    }.items():
        with pytest.raises(InputError, match=message):
            call()
