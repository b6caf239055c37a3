from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import ClassSpecificity, class_specificity, specificity_gap, specificity_matrix

THRESHOLDS = tuple(k / 10 for k in range(1, 10))


def halves(images: Tensor) -> Tensor:
    """Softmax of ten times the means of the left third, the middle and the right third."""
    return torch.stack([part.mean((1, 2, 3)) * 10 for part in images.split(2, dim=3)], 1).softmax(1)


def test_equals_the_definition_in_a_naive_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 4, 6, generator=generator)
    masks = torch.rand(2, 3, 4, 6, generator=generator)
    background = torch.zeros_like(images)
    got = class_specificity(halves, images, masks, background, batch_size=7)
    for n in range(2):
        for c in range(3):
            seen = [halves(images[n : n + 1] * (masks[n, c] >= torch.tensor(t)))[0] for t in THRESHOLDS]
            torch.testing.assert_close(got[n, c], torch.stack(seen).mean(0))


def test_perfect_masks_have_the_diagonal() -> None:
    images = torch.ones(1, 3, 4, 6)
    masks = torch.zeros(1, 3, 4, 6)
    for c in range(3):
        masks[0, c, :, 2 * c : 2 * c + 2] = 1
    values = class_specificity(halves, images, masks, torch.zeros_like(images))
    matrix = specificity_matrix(values, torch.ones(1, 3))
    assert matrix.diagonal().min() > 0.99
    assert specificity_gap(matrix).item() > 0.98


def test_rows_are_classes_of_images_and_columns_those_of_masks() -> None:
    # One image of class 0; through the mask of class 1 the classifier sees class 0 at 0.7.
    values = torch.tensor([[[0.9, 0.1], [0.7, 0.3]], [[0.2, 0.8], [0.4, 0.6]]])
    labels = torch.tensor([[1, 0], [0, 1]])
    matrix = specificity_matrix(values, labels)
    torch.testing.assert_close(matrix, torch.tensor([[0.9, 0.7], [0.8, 0.6]]))
    torch.testing.assert_close(specificity_gap(matrix), torch.tensor(0.0))


def test_an_image_with_several_labels_counts_for_each_and_a_class_without_images_is_nan() -> None:
    values = torch.tensor([[[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]]])
    matrix = specificity_matrix(values, torch.tensor([[1, 1, 0]]))
    torch.testing.assert_close(matrix[:2], torch.tensor([[0.6, 0.2, 0.3], [0.3, 0.7, 0.3]]))
    assert matrix[2].isnan().all()
    torch.testing.assert_close(specificity_gap(matrix), torch.tensor(0.65 - 0.275))


def test_equal_masks_of_an_image_are_classified_once_and_no_call_is_too_large() -> None:
    seen: list[int] = []

    def classify(images: Tensor) -> Tensor:
        seen.append(len(images))
        return halves(images)

    images = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 3, 4, 6)
    masks[0, 0, :, :3] = 0.55
    class_specificity(classify, images, masks, torch.zeros_like(images), batch_size=2)
    # Empty for each image, and one more that is the same at five thresholds.
    assert sum(seen) == 3
    assert max(seen) <= 2


def test_nan_is_the_worst_for_its_class_alone() -> None:
    images, masks = torch.ones(1, 3, 4, 6), torch.ones(1, 3, 4, 6)
    masks[0, 1, 0, 0] = torch.nan
    values = class_specificity(halves, images, masks, torch.zeros_like(images))
    assert values[0, 1].tolist() == [1, 0, 1]
    torch.testing.assert_close(values[0, 0], torch.full((3,), 1 / 3))


def test_parts_that_are_merged_equal_the_whole() -> None:
    generator = torch.Generator().manual_seed(1)
    images, masks = torch.rand(4, 3, 4, 6, generator=generator), torch.rand(4, 3, 4, 6, generator=generator)
    labels = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    background = torch.zeros_like(images)
    whole, first, second = (ClassSpecificity(3) for _ in range(3))
    whole.update(halves, images, masks, background, labels)
    first.update(halves, images[:1], masks[:1], background[:1], labels[:1])
    second.update(halves, images[1:], masks[1:], background[1:], labels[1:])
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), whole.compute())
    values = class_specificity(halves, images, masks, background)
    torch.testing.assert_close(whole.matrix(), specificity_matrix(values, labels))


def test_bad_input_is_named() -> None:
    images = torch.ones(1, 3, 4, 6)
    with pytest.raises(InputError, match=r"masks have values outside \[0, 1\]"):
        class_specificity(halves, images, torch.full((1, 3, 4, 6), 2.0), images)
    with pytest.raises(InputError, match="classify knows 3 classes, masks have 2"):
        class_specificity(halves, images, torch.ones(1, 2, 4, 6), images)
