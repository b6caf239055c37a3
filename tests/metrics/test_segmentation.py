from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import SoftAccuracy, SoftF1, SoftIoU, soft_accuracy, soft_f1, soft_iou

FUNCTIONS = [soft_accuracy, soft_f1, soft_iou]
CLASSES = [SoftAccuracy, SoftF1, SoftIoU]


def example(seed: int = 0, count: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(count, 9, 7, generator=generator)
    target = torch.rand(count, 9, 7, generator=generator) < 0.3
    valid = torch.rand(count, 9, 7, generator=generator) < 0.8
    return mask, target, valid


def naive(mask: Tensor, target: Tensor, valid: Tensor) -> np.ndarray:
    """Accuracy, F1 and IoU pixel by pixel in float64."""
    rows = []
    for m_image, g_image, v_image in zip(mask.double().numpy(), target.numpy(), valid.numpy(), strict=True):
        difference = both = sums = low = high = pixels = 0.0
        for m, g, v in zip(m_image.ravel(), g_image.ravel(), v_image.ravel(), strict=True):
            if not v:
                continue
            pixels += 1
            difference += abs(m - g)
            both += m * g
            sums += m + g
            low += min(m, g)
            high += max(m, g)
        rows.append((1 - difference / pixels, 2 * both / sums, low / high))
    return np.array(rows).T


def test_hand_worked_values() -> None:
    mask = torch.tensor([[[1.0, 0.5], [0.25, 0.0]]])
    target = torch.tensor([[[1, 1], [0, 0]]], dtype=torch.uint8)
    # Σm = 1.75, Σg = 2, Σmg = 1.5, Σ|m − g| = 0.5 + 0.25
    assert soft_accuracy(mask, target).item() == pytest.approx(1 - 0.75 / 4)
    assert soft_f1(mask, target).item() == pytest.approx(3 / 3.75)
    assert soft_iou(mask, target).item() == pytest.approx(1.5 / 2.25)


@pytest.mark.parametrize("with_void", [False, True])
def test_agrees_with_a_loop_over_pixels(with_void: bool) -> None:
    mask, target, valid = example()
    if not with_void:
        valid = torch.ones_like(valid)
    expected = naive(mask, target, valid)
    for function, values in zip(FUNCTIONS, expected, strict=True):
        np.testing.assert_allclose(function(mask, target, valid).numpy(), values, rtol=1e-6)
        if not with_void:
            np.testing.assert_allclose(function(mask, target).numpy(), values, rtol=1e-6)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, (0.75, 0, 0)), (0.5, (0.5, 1 / 3, 0.2)), (1.0, (0.25, 0.4, 0.25))]
)
def test_constant_masks(value: float, expected: tuple[float, ...]) -> None:
    target = torch.tensor([[[True, False, False, False]]])
    mask = torch.full((1, 1, 4), value)
    # For 0.5: Σm = 2, Σg = 1, Σmg = 0.5, so F1 = 1 / 3 and IoU = 0.5 / 2.5.
    for function, number in zip(FUNCTIONS, expected, strict=True):
        assert function(mask, target).item() == pytest.approx(number)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_object_itself_scores_one(function) -> None:
    _, target, valid = example()
    assert function(target.float(), target).tolist() == [1.0] * 6
    assert function(target.float(), target, valid).tolist() == [1.0] * 6


@pytest.mark.parametrize("function", FUNCTIONS)
def test_empty_mask_and_no_object_score_one(function) -> None:
    empty = torch.zeros(2, 4, 4)
    assert function(empty, empty.bool()).tolist() == [1.0, 1.0]
    assert function(torch.rand(2, 4, 4), empty.bool(), valid=empty.bool()).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_void_pixels_never_count(function) -> None:
    mask, target, valid = example()
    other = torch.where(valid, mask, 1 - mask)
    flipped = torch.where(valid, target, ~target)
    torch.testing.assert_close(function(mask, target, valid), function(other, flipped, valid))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_channel_of_one_is_accepted(function) -> None:
    mask, target, valid = example()
    torch.testing.assert_close(
        function(mask[:, None], target[:, None], valid[:, None]), function(mask, target, valid), rtol=0, atol=0
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype: torch.dtype) -> None:
    mask = torch.full((1, 400, 400), 0.5, dtype=dtype)
    assert soft_iou(mask, torch.ones(1, 400, 400, dtype=torch.bool)).item() == pytest.approx(0.5)


@pytest.mark.parametrize(("metric", "function"), list(zip(CLASSES, FUNCTIONS, strict=True)))
def test_nan_is_the_worst_score_and_is_counted(metric, function) -> None:
    mask, target, valid = example()
    good = function(mask, target, valid)
    mask[2, 0, 0] = torch.nan
    scores = function(mask, target, valid)
    assert scores[2] == 0
    assert torch.equal(scores[[0, 1, 3, 4, 5]], good[[0, 1, 3, 4, 5]])
    state = metric()
    state.update(mask, target, valid)
    assert state.compute().item() == pytest.approx(scores.mean().item())
    assert (state.nan_count.item(), state.count.item()) == (1, 6)


@pytest.mark.parametrize(("metric", "function"), list(zip(CLASSES, FUNCTIONS, strict=True)))
def test_the_mean_does_not_depend_on_how_images_are_spread(metric, function) -> None:
    mask, target, valid = example(count=7)
    mask[6] = torch.nan
    whole, first, second = metric(), metric(), metric()
    whole.update(mask, target, valid)
    first.update(mask[:2], target[:2], valid[:2])
    second.update(mask[2:], target[2:], valid[2:])
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), whole.compute())
    torch.testing.assert_close(whole.compute(), function(mask, target, valid).mean())
    assert first.nan_count == whole.nan_count == 1
    assert whole.higher_is_better is True


def test_an_empty_batch_adds_nothing() -> None:
    state = SoftIoU()
    state.update(torch.zeros(0, 4, 4), torch.zeros(0, 4, 4, dtype=torch.bool))
    assert state.count == 0


@pytest.mark.parametrize(
    ("mask", "target", "valid", "message"),
    [
        (torch.full((1, 2, 2), 1.5), torch.ones(1, 2, 2, dtype=torch.bool), None, "0, 1"),
        (torch.full((1, 2, 2), -0.1), torch.ones(1, 2, 2, dtype=torch.bool), None, "normalise"),
        (torch.full((1, 2, 2), torch.inf), torch.ones(1, 2, 2, dtype=torch.bool), None, "normalise"),
        (torch.ones(1, 2, 2, dtype=torch.uint8), torch.ones(1, 2, 2, dtype=torch.bool), None, "mask is torch.uint8"),
        (torch.ones(1, 2, 2), torch.full((1, 2, 2), 255, dtype=torch.uint8), None, "valid"),
        (torch.ones(1, 2, 2), torch.ones(1, 2, 2), None, "target is torch.float32"),
        (torch.ones(1, 2, 2), torch.ones(1, 2, 3, dtype=torch.bool), None, "target has shape"),
        (torch.ones(2, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool), None, "target has shape"),
        (torch.ones(1, 2, 2), torch.ones(1, 2, 2).bool(), torch.ones(1, 3, 2).bool(), "valid has shape"),
        (torch.ones(2, 2), torch.ones(2, 2, dtype=torch.bool), None, "mask has shape"),
        (torch.ones(1, 3, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool), None, "mask has shape"),
        (torch.ones(1, 0, 2), torch.ones(1, 0, 2, dtype=torch.bool), None, "mask has shape"),
    ],
)
def test_bad_input(mask: Tensor, target: Tensor, valid: Tensor | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        soft_iou(mask, target, valid)
