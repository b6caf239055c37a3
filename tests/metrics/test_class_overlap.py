from __future__ import annotations

import math

import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import BinarisedClassIoU, ClassIoU, binarised_class_iou, class_iou, label_region, soft_iou

SEGMENTATION = torch.tensor([[[1, 1, 2, 2, 0, 255]], [[3, 3, 0, 0, 0, 0]]], dtype=torch.uint8)
LABELS = torch.tensor([[1, 1, 0], [0, 0, 1]])


def masks() -> torch.Tensor:
    given = torch.zeros(2, 3, 1, 6)
    given[0, 0, 0] = torch.tensor([1.0, 0.5, 0.5, 0.0, 0.0, 1.0])
    given[0, 1, 0] = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    given[0, 2] = 1
    given[1, 2, 0] = torch.tensor([0.8, 0.8, 0.4, 0.0, 0.0, 0.0])
    return given


def test_by_hand() -> None:
    # Class 0: 1.5 of 2 + 0.5; class 1 covers the other as well: 2 of 4; void and the mask of no label do not count.
    first, second = (1.5 / 2.5 + 2 / 4) / 2, 1.6 / 2.4
    assert class_iou(masks(), SEGMENTATION, LABELS).tolist() == pytest.approx([first, second])
    # Above 0.6: class 0 finds 1 of 2 pixels; class 2 both. Above 0.45: class 0 finds 2 and one too many.
    found = binarised_class_iou(masks(), SEGMENTATION, LABELS, [0.3, 0.45, 0.6])
    assert found[0].tolist() == pytest.approx([(2 / 3 + 0.5) / 2, (2 / 3 + 0.5) / 2, 0.5])
    assert found[1].tolist() == pytest.approx([2 / 3, 1, 1])


def test_the_union_does_not_see_what_the_classes_see() -> None:
    # Each mask is the other's region: together they are perfect.
    swapped = torch.zeros(1, 3, 1, 6)
    swapped[0, 0, 0, 2:4] = swapped[0, 1, 0, :2] = 1
    target, valid = label_region(SEGMENTATION[:1], LABELS[:1])
    assert soft_iou(swapped.amax(1), target, valid).item() == 1
    assert class_iou(swapped, SEGMENTATION[:1], LABELS[:1]).item() == 0


def test_with_one_label_it_is_the_overlap_of_the_union() -> None:
    target, valid = label_region(SEGMENTATION[1:], LABELS[1:])
    expected = soft_iou(masks()[1:, 2], target, valid)
    assert torch.equal(class_iou(masks()[1:], SEGMENTATION[1:], LABELS[1:]), expected)


def test_a_label_without_a_pixel_and_a_nan() -> None:
    labels = torch.tensor([[1, 0, 1], [0, 0, 1]])
    # Class 2 has no pixel in the first image, and its mask is full there.
    assert class_iou(masks(), SEGMENTATION, labels)[0].item() == pytest.approx((0.6 + 0) / 2)
    given = masks()
    given[0, 2] = 0
    assert class_iou(given, SEGMENTATION, labels)[0].item() == pytest.approx((0.6 + 1) / 2)
    given[0, 1, 0, 0] = math.nan
    # The mask of a class that is no label may hold one.
    assert class_iou(given, SEGMENTATION, labels)[0].item() == pytest.approx(0.8)
    for metric in (ClassIoU(), BinarisedClassIoU([0.45])):
        metric.update(given, SEGMENTATION, LABELS)
        assert (metric.count, metric.nan_count, metric.empty_count) == (2, 1, 0)
        second = 1.6 / 2.4 if isinstance(metric, ClassIoU) else 1
        assert metric.compute().item() == pytest.approx((0 + second) / 2)
        metric.update(torch.zeros(1, 3, 1, 6), torch.zeros(1, 1, 6, dtype=torch.uint8), LABELS[:1])
        assert metric.empty_count == 1


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"masks \(2, 3, 1, 6\).*labels \(2, 2\)"):
        class_iou(masks(), SEGMENTATION, LABELS[:, :2])
    with pytest.raises(InputError, match="has none"):
        class_iou(masks(), SEGMENTATION, torch.tensor([[0, 0, 0], [0, 0, 1]]))
    with pytest.raises(InputError, match="uint8"):
        class_iou(masks(), SEGMENTATION.long(), LABELS)
    with pytest.raises(InputError, match="scores need"):
        class_iou(masks() * 2, SEGMENTATION, LABELS)
