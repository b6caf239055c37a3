from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import (
    BackgroundCoverage,
    MaskArea,
    ObjectCoverage,
    background_coverage,
    mask_area,
    object_coverage,
)

Scored = tuple[Tensor, Tensor, Tensor]


def test_hand_worked_values() -> None:
    mask = torch.tensor([[[1.0, 0.5], [0.25, 0.0]]])
    target = torch.tensor([[[1, 1], [0, 0]]], dtype=torch.uint8)
    valid = torch.tensor([[[True, True], [True, False]]])
    assert object_coverage(mask, target).item() == pytest.approx(1.5 / 2)
    assert background_coverage(mask, target).item() == pytest.approx(0.25 / 2)
    assert background_coverage(mask, target, valid).item() == pytest.approx(0.25)
    assert mask_area(mask).item() == pytest.approx(1.75 / 4)
    assert mask_area(mask, valid).item() == pytest.approx(1.75 / 3)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_masks_cover_their_value(value: float, scored: Scored) -> None:
    _, target, valid = scored
    mask = torch.full(target.shape, value)
    for scores in (
        object_coverage(mask, target, valid),
        background_coverage(mask, target, valid),
        mask_area(mask, valid),
    ):
        torch.testing.assert_close(scores, torch.full((8,), value))


def test_the_object_itself(scored: Scored) -> None:
    _, target, valid = scored
    assert object_coverage(target.float(), target, valid).tolist() == [1.0] * 8
    assert background_coverage(target.float(), target, valid).tolist() == [0.0] * 8
    torch.testing.assert_close(mask_area(target.float(), valid), (target & valid).sum((1, 2)) / valid.sum((1, 2)))


def test_object_coverage_is_recall_of_torchmetrics(scored: Scored) -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    mask, target, valid = scored
    mask = mask.round()
    for i in range(8):
        m, g = mask[i][valid[i]].int(), target[i][valid[i]].int()
        torch.testing.assert_close(object_coverage(mask, target, valid)[i], functional.binary_recall(m, g))
        specificity = functional.binary_specificity(m, g)
        torch.testing.assert_close(background_coverage(mask, target, valid)[i], 1 - specificity)


def test_void_pixels_never_count(scored: Scored) -> None:
    mask, target, valid = scored
    other, flipped = torch.where(valid, mask, 1 - mask), torch.where(valid, target, ~target)
    for function in (object_coverage, background_coverage):
        torch.testing.assert_close(function(mask, target, valid), function(other, flipped, valid))
    torch.testing.assert_close(mask_area(mask, valid), mask_area(other, valid))


def test_nothing_to_cover_is_defined_and_counted() -> None:
    mask, nothing = torch.rand(1, 3, 3), torch.zeros(1, 3, 3, dtype=torch.bool)
    assert object_coverage(mask, nothing).item() == 1
    assert background_coverage(mask, ~nothing).item() == 0
    assert mask_area(mask, nothing).item() == 0
    state = ObjectCoverage()
    state.update(mask, nothing)
    assert (state.empty_count, state.nan_count) == (1, 0)
    state = BackgroundCoverage()
    state.update(mask, ~nothing)
    assert state.empty_count == 1
    area = MaskArea()
    area.update(mask, nothing)
    assert area.empty_count == 1


def test_nan_is_the_worst_score_and_is_counted(scored: Scored) -> None:
    mask, target, valid = scored
    mask[2] = torch.nan
    assert object_coverage(mask, target, valid)[2] == 0
    assert background_coverage(mask, target, valid)[2] == 1
    assert mask_area(mask, valid)[2] == 1
    for metric, better in ((ObjectCoverage(), True), (BackgroundCoverage(), False)):
        metric.update(mask, target, valid)
        assert (metric.nan_count, metric.count, metric.higher_is_better) == (1, 8, better)
    area = MaskArea()
    area.update(mask, valid)
    torch.testing.assert_close(area.compute(), mask_area(mask, valid).mean())
    assert (area.nan_count, area.higher_is_better) == (1, False)


def test_bad_input() -> None:
    mask, target = torch.rand(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool)
    for function in (object_coverage, background_coverage):
        with pytest.raises(InputError, match="target has shape"):
            function(mask, target[:, :1])
    for refused in (mask + 1, -mask - 0.1):
        with pytest.raises(InputError, match="normalise"):
            mask_area(refused)
    with pytest.raises(InputError, match="valid has shape"):
        mask_area(mask, target[:, :1])
    with pytest.raises(InputError, match="floating point"):
        mask_area(target)
