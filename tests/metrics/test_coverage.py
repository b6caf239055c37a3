from __future__ import annotations

import pytest
import torch

from explanans.metrics import (
    BackgroundCoverage,
    MaskArea,
    ObjectCoverage,
    background_coverage,
    mask_area,
    object_coverage,
)

MASK = torch.tensor([[[1.0, 0.5], [0.2, 0.0]]])
TARGET = torch.tensor([[[True, True], [False, False]]])


def test_by_hand() -> None:
    torch.testing.assert_close(object_coverage(MASK, TARGET), torch.tensor([0.75]))
    torch.testing.assert_close(background_coverage(MASK, TARGET), torch.tensor([0.1]))
    torch.testing.assert_close(mask_area(MASK), torch.tensor([0.425]))


def test_void_pixels_do_not_count() -> None:
    valid = torch.tensor([[[True, False], [True, False]]])
    torch.testing.assert_close(object_coverage(MASK, TARGET, valid), torch.tensor([1.0]))
    torch.testing.assert_close(background_coverage(MASK, TARGET, valid), torch.tensor([0.2]))
    torch.testing.assert_close(mask_area(MASK, valid), torch.tensor([0.6]))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_masks_cover_their_value(value: float) -> None:
    mask = torch.full_like(MASK, value)
    for score in (object_coverage(mask, TARGET), background_coverage(mask, TARGET), mask_area(mask)):
        assert score.item() == value


def test_the_truth_itself() -> None:
    assert object_coverage(TARGET.float(), TARGET).item() == 1
    assert background_coverage(TARGET.float(), TARGET).item() == 0
    assert mask_area(TARGET.float()).item() == 0.5


def test_no_object_no_background_nothing_at_all() -> None:
    none, everything = torch.zeros_like(TARGET), torch.ones_like(TARGET)
    assert object_coverage(MASK, none).item() == 1
    assert background_coverage(MASK, everything).item() == 0
    assert mask_area(MASK, none).item() == 0


def test_nan_gets_the_worst_value_and_is_counted() -> None:
    mask = MASK.clone()
    mask[0, 0, 0] = torch.nan
    for metric, worst, more in (
        (ObjectCoverage(), 0.0, (TARGET,)),
        (BackgroundCoverage(), 1.0, (TARGET,)),
        (MaskArea(), 1.0, ()),
    ):
        metric.update(mask, *more)
        assert metric.compute().item() == worst
        assert int(metric.nan_count) == 1
    assert ObjectCoverage.higher_is_better
    assert not BackgroundCoverage.higher_is_better
