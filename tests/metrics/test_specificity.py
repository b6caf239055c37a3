from __future__ import annotations

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


def planted() -> tuple[Tensor, Tensor, Tensor]:
    """White images, masks of two classes that are each its own half, and a black background."""
    images, masks = torch.ones(2, 3, 4, 4), torch.zeros(2, 2, 4, 4)
    masks[:, 0, :, :2], masks[:, 1, :, 2:] = 1, 1
    return images, masks, torch.zeros_like(images)


def naive(classify, images: Tensor, masks: Tensor, background: Tensor, thresholds: tuple[float, ...]) -> Tensor:
    count, classes = masks.shape[:2]
    values = torch.zeros(count, classes, classes)
    for n in range(count):
        for c in range(classes):
            for t in thresholds:
                kept = torch.where(masks[n, c] >= t, images[n], background[n])
                values[n, c] += classify(kept[None])[0] / len(thresholds)
    return values


def test_hand_worked_values(halves) -> None:
    images, masks, background = planted()
    values = class_specificity(halves, images, masks, background)
    assert torch.equal(values, torch.eye(2).expand(2, 2, 2))
    masks[1, 0] = 0.5  # everything up to 0.5, nothing above: five of nine thresholds
    values = class_specificity(halves, images, masks, background)
    torch.testing.assert_close(values[1], torch.tensor([[5 / 9, 5 / 9], [0, 1]]))
    # Image 0 has class 0, image 1 has both: rows are image classes, columns mask classes.
    matrix = specificity_matrix(values, torch.tensor([[1, 0], [1, 1]]))
    torch.testing.assert_close(matrix, torch.tensor([[(1 + 5 / 9) / 2, 0], [5 / 9, 1]]))
    assert specificity_gap(matrix).item() == pytest.approx(((1 + 5 / 9) / 2 + 1) / 2 - (5 / 9) / 2)


@pytest.mark.parametrize("thresholds", [PAPER_THRESHOLDS, (0.5,), (0.0, 1.0)])
def test_agrees_with_a_loop(halves, thresholds: tuple[float, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    images, background = torch.rand(2, 3, 3, 5, 6, generator=generator)
    masks = torch.rand(3, 2, 5, 6, generator=generator)
    masks[0, 0] = torch.tensor(PAPER_THRESHOLDS)[torch.randint(9, (5, 6), generator=generator)]
    for batch_size in (1, 4, 64):
        values = class_specificity(halves, images, masks, background, thresholds, batch_size)
        torch.testing.assert_close(values, naive(halves, images, masks, background, thresholds))


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_equal_masks_of_an_image_are_classified_once(halves, batch_size: int) -> None:
    images, masks, background = planted()
    class_specificity(halves, images, masks, background, batch_size=batch_size)
    assert sum(halves.batches) == 4  # of 2 · 2 · 9: one for each image and class
    assert max(halves.batches) <= batch_size
    halves.batches.clear()
    masks[:, :, 1:] = 0
    masks[1] = 0.35
    class_specificity(halves, images, masks, background, batch_size=batch_size)
    # Image 0: two masks. Image 1: both classes share the full one (three thresholds) and the empty one.
    assert sum(halves.batches) == 2 + 2
    halves.batches.clear()
    class_specificity(halves, images, torch.zeros(2, 2, 4, 4), background, batch_size=batch_size)
    assert sum(halves.batches) == 2  # an image's empty masks are one, those of two images are not


def test_constant_masks_do_not_separate(halves) -> None:
    images, masks, background = planted()
    for value in (0.0, 0.5, 1.0):
        values = class_specificity(halves, images, torch.full_like(masks, value), background)
        assert specificity_gap(specificity_matrix(values, torch.ones(2, 2))).item() == 0


def test_nan_is_the_worst_score_and_is_counted(halves) -> None:
    images, masks, background = planted()
    masks[0, 1, 0, 0] = torch.nan
    values = class_specificity(halves, images, masks, background)
    assert values[0].tolist() == [[1, 0], [1, 0]]
    assert torch.equal(values[1], torch.eye(2))
    state = ClassSpecificity(2)
    state.update(halves, images, masks, background, torch.ones(2, 2))
    assert state.nan_count == 1
    assert state.higher_is_better is True
    assert state.matrix().tolist() == [[1, 0.5], [0, 0.5]]
    images[1, 0, 0, 0] = torch.nan  # the classifier then answers NaN to what class 0's mask keeps
    values = class_specificity(halves, images, masks, background)
    assert values[1].tolist() == [[0, 1], [0, 1]]


def test_classes_without_images_are_left_out() -> None:
    values = torch.tensor([[[0.75, 0.25], [0.25, 0.5]]])
    matrix = specificity_matrix(values, torch.tensor([[1, 0]]))
    assert matrix[0].tolist() == [0.75, 0.25]
    assert matrix[1].isnan().all()
    assert specificity_gap(matrix).item() == 0.5


def test_states_of_two_processes_sum_to_one(halves) -> None:
    images, masks, background = planted()
    masks[0] *= 0.4
    labels = torch.tensor([[1, 0], [1, 1]])
    whole, first, second = (ClassSpecificity(2, batch_size=3) for _ in range(3))
    whole.update(halves, images, masks, background, labels)
    for state, rows in ((first, slice(0, 1)), (second, slice(1, 2))):
        state.update(halves, images[rows], masks[rows], background[rows], labels[rows])
    first.merge_state(second)
    torch.testing.assert_close(first.matrix(), whole.matrix())
    torch.testing.assert_close(first.compute(), whole.compute())
    values = class_specificity(halves, images, masks, background)
    torch.testing.assert_close(whole.matrix(), specificity_matrix(values, labels))


def test_bad_input(halves) -> None:
    images, masks, background = planted()
    with pytest.raises(InputError, match="masks have values"):
        class_specificity(halves, images, masks * 2, background)
    with pytest.raises(InputError, match="ascending"):
        class_specificity(halves, images, masks, background, (0.5, 0.5))
    with pytest.raises(InputError, match="knows 2 classes, masks have 3"):
        class_specificity(halves, images, torch.rand(2, 3, 4, 4), background)
    with pytest.raises(InputError, match="masks has shape"):
        class_specificity(halves, images, masks[:, :, :2], background)
    with pytest.raises(InputError, match="masks are"):
        class_specificity(halves, images, masks[:, 0], background)
    with pytest.raises(InputError, match="at least two classes"):
        specificity_gap(torch.ones(1, 1))
    with pytest.raises(InputError, match="give"):
        specificity_matrix(torch.rand(2, 3, 3), torch.ones(2, 2))
