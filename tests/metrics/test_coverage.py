from __future__ import annotations

import numpy as np
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

FUNCTIONS = [object_coverage, background_coverage]
WORST = {object_coverage: 0.0, background_coverage: 1.0}
PAIRS = list(zip([ObjectCoverage, BackgroundCoverage], FUNCTIONS, strict=True))


def example(seed: int = 0, count: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(count, 9, 7, generator=generator)
    target = torch.rand(count, 9, 7, generator=generator) < 0.3
    valid = torch.rand(count, 9, 7, generator=generator) < 0.8
    return mask, target, valid


def naive(mask: Tensor, target: Tensor, valid: Tensor) -> np.ndarray:
    """Object coverage, background coverage and area pixel by pixel in float64."""
    rows = []
    for m_image, g_image, v_image in zip(mask.double().numpy(), target.numpy(), valid.numpy(), strict=True):
        inside = outside = 0.0
        objects = background = 0
        for m, g, v in zip(m_image.ravel(), g_image.ravel(), v_image.ravel(), strict=True):
            if v and g:
                inside, objects = inside + m, objects + 1
            elif v:
                outside, background = outside + m, background + 1
        rows.append((inside / objects, outside / background, (inside + outside) / (objects + background)))
    return np.array(rows).T


def test_hand_worked_values() -> None:
    mask = torch.tensor([[[1.0, 0.5], [0.25, 0.0]]])
    target = torch.tensor([[[1, 1], [0, 0]]], dtype=torch.uint8)
    assert object_coverage(mask, target).item() == pytest.approx(1.5 / 2)
    assert background_coverage(mask, target).item() == pytest.approx(0.25 / 2)
    assert mask_area(mask).item() == pytest.approx(1.75 / 4)
    # Without the pixel of 0.5 there is one object pixel, and three pixels in all.
    valid = torch.tensor([[[True, False], [True, True]]])
    assert object_coverage(mask, target, valid).item() == pytest.approx(1)
    assert background_coverage(mask, target, valid).item() == pytest.approx(0.25 / 2)
    assert mask_area(mask, valid).item() == pytest.approx(1.25 / 3)


@pytest.mark.parametrize("with_void", [False, True])
def test_agrees_with_a_loop_over_pixels(with_void: bool) -> None:
    mask, target, valid = example()
    if not with_void:
        valid = torch.ones_like(valid)
    given = valid if with_void else None
    inside, outside, area = naive(mask, target, valid)
    np.testing.assert_allclose(object_coverage(mask, target, given).numpy(), inside, rtol=1e-6)
    np.testing.assert_allclose(background_coverage(mask, target, given).numpy(), outside, rtol=3e-6)
    np.testing.assert_allclose(mask_area(mask, given).numpy(), area, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_a_constant_mask_covers_its_value_of_everything(value: float) -> None:
    _, target, valid = example()
    mask = torch.full(target.shape, value)
    for function in FUNCTIONS:
        assert function(mask, target, valid).tolist() == pytest.approx([value] * 6)
    assert mask_area(mask, valid).tolist() == pytest.approx([value] * 6)
    assert mask_area(mask).tolist() == pytest.approx([value] * 6)


def test_the_object_itself_and_its_opposite() -> None:
    _, target, valid = example()
    for given in (None, valid):
        assert object_coverage(target.float(), target, given).tolist() == [1.0] * 6
        assert background_coverage(target.float(), target, given).tolist() == [0.0] * 6
        assert object_coverage((~target).float(), target, given).tolist() == [0.0] * 6
        assert background_coverage((~target).float(), target, given).tolist() == [1.0] * 6
    torch.testing.assert_close(mask_area(target.float()), target.float().mean((1, 2)))


def test_nothing_to_cover() -> None:
    mask, target, _ = example(count=3)
    nothing, everything = torch.zeros_like(target), torch.ones_like(target)
    assert object_coverage(mask, nothing).tolist() == [1.0] * 3
    assert background_coverage(mask, everything).tolist() == [0.0] * 3
    assert object_coverage(mask, target, ~target).tolist() == [1.0] * 3
    assert background_coverage(mask, target, target).tolist() == [0.0] * 3
    assert object_coverage(mask, target, nothing).tolist() == [1.0] * 3
    assert background_coverage(mask, target, nothing).tolist() == [0.0] * 3
    assert mask_area(mask, nothing).tolist() == [0.0] * 3


def test_images_with_nothing_to_cover_are_counted() -> None:
    mask, target, _ = example(count=3)
    target[1], target[2] = False, True
    objects, background, area = ObjectCoverage(), BackgroundCoverage(), MaskArea()
    objects.update(mask, target)
    background.update(mask, target)
    valid = torch.ones_like(target)
    valid[0] = False
    area.update(mask, valid)
    for metric in (objects, background, area):
        assert (metric.empty_count.item(), metric.nan_count.item(), metric.count.item()) == (1, 0, 3)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_void_pixels_never_count(function) -> None:
    mask, target, valid = example()
    other = torch.where(valid, mask, 1 - mask)
    flipped = torch.where(valid, target, ~target)
    assert torch.equal(function(mask, target, valid), function(other, flipped, valid))
    assert torch.equal(mask_area(mask, valid), mask_area(other, valid))


def test_a_channel_of_one_is_accepted() -> None:
    mask, target, valid = example()
    for function in FUNCTIONS:
        values = function(mask[:, None], target[:, None], valid[:, None])
        assert torch.equal(values, function(mask, target, valid))
    assert torch.equal(mask_area(mask[:, None], valid[:, None]), mask_area(mask, valid))
    assert torch.equal(mask_area(mask[:, None]), mask_area(mask))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype: torch.dtype) -> None:
    mask = torch.full((1, 400, 400), 0.5, dtype=dtype)
    everything = torch.ones(1, 400, 400, dtype=torch.bool)
    assert object_coverage(mask, everything).item() == pytest.approx(0.5)
    assert background_coverage(mask, ~everything).item() == pytest.approx(0.5)
    assert mask_area(mask).item() == pytest.approx(0.5)


@pytest.mark.parametrize(("metric", "function"), PAIRS)
def test_nan_is_the_worst_score_and_is_counted(metric, function) -> None:
    mask, target, valid = example()
    good = function(mask, target, valid)
    mask[2, 0, 0] = torch.nan
    scores = function(mask, target, valid)
    assert scores[2] == WORST[function]
    assert torch.equal(scores[[0, 1, 3, 4, 5]], good[[0, 1, 3, 4, 5]])
    state = metric()
    state.update(mask, target, valid)
    assert state.compute().item() == pytest.approx(scores.mean().item())
    assert (state.nan_count.item(), state.empty_count.item(), state.count.item()) == (1, 0, 6)
    # Worst also where nothing could have been covered.
    for other in (torch.zeros_like(target), torch.ones_like(target)):
        assert function(mask, other)[2] == WORST[function]


@pytest.mark.parametrize("with_void", [False, True])
def test_the_area_of_a_mask_with_a_nan_is_one(with_void: bool) -> None:
    mask, _, valid = example()
    given = valid if with_void else None
    good = mask_area(mask, given)
    mask[2, 0, 0] = torch.nan
    scores = mask_area(mask, given)
    assert scores[2] == 1
    assert torch.equal(scores[[0, 1, 3, 4, 5]], good[[0, 1, 3, 4, 5]])
    state = MaskArea()
    state.update(mask, given)
    assert state.compute().item() == pytest.approx(scores.mean().item())
    assert (state.nan_count.item(), state.empty_count.item(), state.count.item()) == (1, 0, 6)


@pytest.mark.parametrize(("metric", "function"), PAIRS)
def test_the_mean_does_not_depend_on_how_images_are_spread(metric, function) -> None:
    mask, target, valid = example(count=7)
    mask[6], target[4], target[5] = torch.nan, False, True
    whole, first, second = metric(), metric(), metric()
    whole.update(mask, target, valid)
    first.update(mask[:2], target[:2], valid[:2])
    second.update(mask[2:], target[2:], valid[2:])
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), whole.compute())
    torch.testing.assert_close(whole.compute(), function(mask, target, valid).mean())
    assert first.nan_count == whole.nan_count == 1
    assert first.empty_count == whole.empty_count == 1


def test_the_mean_area_does_not_depend_on_how_images_are_spread() -> None:
    mask, _, valid = example(count=7)
    mask[6], valid[5] = torch.nan, False
    whole, first, second = MaskArea(), MaskArea(), MaskArea()
    whole.update(mask, valid)
    first.update(mask[:2], valid[:2])
    second.update(mask[2:], valid[2:])
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), whole.compute())
    torch.testing.assert_close(whole.compute(), mask_area(mask, valid).mean())
    assert first.nan_count == whole.nan_count == 1
    assert first.empty_count == whole.empty_count == 1


def test_directions() -> None:
    assert ObjectCoverage().higher_is_better is True
    assert BackgroundCoverage().higher_is_better is MaskArea().higher_is_better is False


def test_an_empty_batch_adds_nothing() -> None:
    nothing = torch.zeros(0, 4, 4)
    for metric in (ObjectCoverage(), BackgroundCoverage()):
        metric.update(nothing, nothing.bool())
        assert metric.count == 0
    area = MaskArea()
    area.update(nothing)
    assert area.count == 0


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("mask", "target", "valid", "message"),
    [
        (torch.full((1, 2, 2), 1.5), torch.ones(1, 2, 2).bool(), None, "0, 1"),
        (torch.full((1, 2, 2), -0.1), torch.ones(1, 2, 2).bool(), None, "ormalise"),
        (torch.ones(1, 2, 2, dtype=torch.uint8), torch.ones(1, 2, 2).bool(), None, "mask is torch.uint8"),
        (torch.ones(1, 2, 2), torch.full((1, 2, 2), 255, dtype=torch.uint8), None, "valid"),
        (torch.ones(1, 2, 2), torch.ones(1, 2, 2), None, "target is torch.float32"),
        (torch.ones(1, 2, 2), torch.ones(1, 2, 3).bool(), None, "target has shape"),
        (torch.ones(1, 2, 2), torch.ones(1, 2, 2).bool(), torch.ones(1, 3, 2).bool(), "valid has shape"),
        (torch.ones(2, 2), torch.ones(2, 2).bool(), None, "mask has shape"),
    ],
)
def test_bad_input(function, mask: Tensor, target: Tensor, valid: Tensor | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        function(mask, target, valid)


@pytest.mark.parametrize(
    ("mask", "valid", "message"),
    [
        (torch.full((1, 2, 2), 1.5), None, "0, 1"),
        (torch.full((1, 2, 2), torch.inf), None, "ormalise"),
        (torch.ones(1, 2, 2, dtype=torch.uint8), None, "mask is torch.uint8"),
        (torch.ones(2, 2), None, "mask has shape"),
        (torch.ones(1, 3, 2, 2), None, "mask has shape"),
        (torch.ones(1, 2, 2), torch.ones(1, 2, 2), "valid is torch.float32"),
        (torch.ones(1, 2, 2), torch.ones(1, 3, 2).bool(), "valid has shape"),
    ],
)
def test_bad_input_of_the_area(mask: Tensor, valid: Tensor | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        mask_area(mask, valid)
