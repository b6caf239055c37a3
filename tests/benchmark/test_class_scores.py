from __future__ import annotations

import math

import pytest
import torch

from explanans.benchmark.class_scores import boundary_scores, class_scores, named_classes, nothing_right, voc_counts
from explanans.metrics import FINE_THRESHOLDS, boundary_f1

SEGMENTATION = torch.tensor([[[1, 1, 2, 0]]], dtype=torch.uint8)
LABELS = torch.tensor([[True, True]])
MASKS = torch.tensor([[[[0.9, 0.6, 0.3, 0.0]], [[0.0, 0.7, 0.4, 0.2]]]])


def test_background_is_named_for_nobody() -> None:
    answers = torch.tensor([[0.9, 0.6, 0.1], [0.2, 0.7, 0.5]])
    assert named_classes(answers, "sigmoid", [1]).tolist() == [[True, False, False], [False, False, True]]
    assert named_classes(answers, "softmax", [1]).tolist() == [[True, False, False], [False, False, False]]


def test_what_a_classifier_names() -> None:
    probabilities = torch.tensor([[0.6, 0.5, 0.2], [0.1, 0.2, 0.3]])
    assert named_classes(probabilities, "sigmoid").tolist() == [[True, True, False], [False] * 3]
    assert named_classes(probabilities, "softmax").tolist() == [[True, False, False], [False, False, True]]


def test_class_by_class_by_hand() -> None:
    found = class_scores(MASKS, SEGMENTATION, LABELS, FINE_THRESHOLDS, 0.35)
    assert found["class_iou_soft"].item() == pytest.approx((1.5 / 2.3 + 0.4 / 1.9) / 2)
    # Above 0.35: class 0 is right, class 1 has 1 of 2.
    assert found["class_iou_best"].item() == pytest.approx((1 + 0.5) / 2)
    # Class 0 at 0.1 … 0.9: 2/3 three times, 1 to 0.6, then 1/2; class 1: 1/3 twice, 1/2 twice, then 0 thereafter.
    own, other = 3 * 2 / 3 + 3 * 1 + 3 * 1 / 2, 2 * 1 / 3 + 2 * 1 / 2
    assert found["class_iou_mean"].item() == pytest.approx((own + other) / 18)
    # Background, class 0 and class 1: the second pixel goes to class 1, whose mask is higher.
    assert found["voc_counts"].tolist() == [[1, 1, 1, 1, 2, 2]]
    without = class_scores(MASKS, SEGMENTATION, LABELS, FINE_THRESHOLDS, None)
    assert "class_iou_best" not in without
    # At one half the third pixel is nobody's.
    assert without["voc_counts"].tolist() == [[1, 1, 0, 2, 2, 2]]


def test_an_image_without_a_map_has_nothing_right() -> None:
    assert nothing_right(SEGMENTATION, 2).tolist() == [[0, 0, 0, 1, 2, 1]]
    masks = MASKS.clone()
    masks[0, 1, 0, 0] = math.nan
    assert voc_counts(masks, SEGMENTATION, LABELS, None).isnan().all()
    assert not voc_counts(masks, SEGMENTATION, torch.tensor([[True, False]]), None).isnan().any()


def test_outlines_are_those_of_the_mask_at_the_threshold() -> None:
    mask = torch.zeros(1, 30, 40)
    target = torch.zeros(1, 30, 40, dtype=torch.bool)
    target[0, 10:20, 10:20] = True
    mask[0, 10:20, 12:22] = 0.4
    mask[0, 10:20, 10:20] += 0.3
    assert set(boundary_scores(mask, target, None, None)) == {"boundary_iou", "boundary_f1_1", "boundary_f1_2"}
    # Below 0.3 both squares count, from 0.7 on what they share; 2 % of the diagonal are one pixel, 1 % at least one.
    best = boundary_scores(mask, target, None, 0.3)
    assert best["boundary_f1_1"].item() == boundary_f1(mask, target, threshold=0.3, width=0.01).item() > 0.5
    assert boundary_scores(mask, target, None, 0.75)["boundary_iou"].item() == 0
