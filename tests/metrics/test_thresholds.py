from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import (
    FINE_THRESHOLDS,
    PAPER_THRESHOLDS,
    BestThreshold,
    BinarisedF1,
    BinarisedIoU,
    best_threshold,
    binarised_f1,
    binarised_iou,
    binarised_overlap,
    soft_iou,
)


def example(count: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.rand(count, 11, 6, generator=generator)
    # Values that sit exactly on a threshold, and at both ends.
    mask[0] = torch.tensor(FINE_THRESHOLDS)[torch.randint(99, (11, 6), generator=generator)]
    mask[1] = torch.randint(256, (11, 6), generator=generator) / 255
    mask[2] = mask[2].round()
    target = torch.rand(count, 11, 6, generator=generator) < 0.4
    valid = torch.rand(count, 11, 6, generator=generator) < 0.7
    return mask, target, valid


def naive(mask: Tensor, target: Tensor, valid: Tensor, thresholds: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    f1 = np.zeros((len(mask), len(thresholds)))
    iou = np.zeros_like(f1)
    for i in range(len(mask)):
        keep = valid[i].numpy()
        m, g = mask[i].numpy()[keep], target[i].numpy()[keep]
        for j, t in enumerate(thresholds):
            b = m >= np.asarray(t, dtype=m.dtype)
            f1[i, j] = 2 * (b & g).sum() / (b.sum() + g.sum()) if b.any() or g.any() else 1
            iou[i, j] = (b & g).sum() / (b | g).sum() if b.any() or g.any() else 1
    return f1, iou


@pytest.mark.parametrize(
    "thresholds",
    [PAPER_THRESHOLDS, FINE_THRESHOLDS, (0.0, 0.5, 1.0), (0.25,), (0.5, 0.5001), tuple(k / 255 for k in range(256))],
    ids=len,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agrees_with_a_loop_over_images_and_thresholds(thresholds: tuple[float, ...], dtype: torch.dtype) -> None:
    mask, target, valid = example()
    mask = mask.to(dtype)
    for keep in (valid, torch.ones_like(valid)):
        f1, iou = naive(mask, target, keep, thresholds)
        np.testing.assert_allclose(binarised_f1(mask, target, keep, thresholds).numpy(), f1, rtol=1e-6)
        np.testing.assert_allclose(binarised_iou(mask, target, keep, thresholds).numpy(), iou, rtol=1e-6)
    np.testing.assert_allclose(binarised_iou(mask, target, thresholds=thresholds).numpy(), iou, rtol=1e-6)


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 1.0])
def test_agrees_with_torchmetrics(threshold: float) -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    mask, target, valid = example()
    f1, iou = (function(mask, target, valid, [threshold]) for function in (binarised_f1, binarised_iou))
    for i in range(len(mask)):
        m, g = (mask[i][valid[i]] >= threshold).int(), target[i][valid[i]].int()
        torch.testing.assert_close(f1[i, 0], functional.binary_f1_score(m, g))
        torch.testing.assert_close(iou[i, 0], functional.binary_jaccard_index(m, g))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_floats_around_a_threshold_fall_on_their_sides(dtype: torch.dtype) -> None:
    thresholds = torch.tensor((0.0, *FINE_THRESHOLDS, 1.0), dtype=dtype)
    above = thresholds.nextafter(torch.full_like(thresholds, 2)).clamp(max=1)
    below = thresholds.nextafter(torch.full_like(thresholds, -2)).clamp(min=0)
    for values in (thresholds, above, below):
        reached = binarised_overlap(values.view(1, 1, -1), torch.ones(1, 1, 101).bool(), thresholds=thresholds.tolist())
        expected = (values[:, None] >= thresholds).sum(0).to(dtype)
        torch.testing.assert_close(reached.mask_area[0], expected, rtol=0, atol=0)


def test_more_pixels_than_are_counted_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(7, 300, 301, generator=generator)
    target, valid = mask > 0.4 + 0.3 * torch.rand(7, 300, 301, generator=generator), mask < 0.9
    mask = mask.roll(1, 2)
    for keep in (None, valid):
        whole = binarised_iou(mask, target, keep, FINE_THRESHOLDS), soft_iou(mask, target, keep)
        for i in range(7):
            rows = slice(i, i + 1)
            one = None if keep is None else keep[rows]
            torch.testing.assert_close(binarised_iou(mask[rows], target[rows], one, FINE_THRESHOLDS), whole[0][rows])
            torch.testing.assert_close(soft_iou(mask[rows], target[rows], one), whole[1][rows])


def test_hand_worked_values() -> None:
    mask = torch.tensor([[[0.9, 0.6], [0.6, 0.1]]])
    target = torch.tensor([[[1, 1], [0, 0]]], dtype=torch.uint8)
    thresholds = (0.1, 0.5, 0.6, 0.75, 0.95)
    # pixels at or above: 4, 3, 3, 1, 0; of these in the object: 2, 2, 2, 1, 0
    assert binarised_iou(mask, target, thresholds=thresholds)[0].tolist() == pytest.approx(
        [2 / 4, 2 / 3, 2 / 3, 1 / 2, 0]
    )
    assert binarised_f1(mask, target, thresholds=thresholds)[0].tolist() == pytest.approx(
        [4 / 6, 4 / 5, 4 / 5, 2 / 3, 0]
    )
    accuracy = binarised_overlap(mask, target, thresholds=thresholds).accuracy()
    assert accuracy[0].tolist() == pytest.approx([2 / 4, 3 / 4, 3 / 4, 3 / 4, 2 / 4])


def test_a_binary_mask_scores_the_same_at_every_threshold_and_softly() -> None:
    _, target, valid = example()
    mask = torch.roll(target, 1, dims=2).float()
    scores = binarised_iou(mask, target, valid, PAPER_THRESHOLDS)
    torch.testing.assert_close(scores, soft_iou(mask, target, valid)[:, None].expand(-1, 9))
    assert (binarised_iou(target.float(), target) == 1).all()


def test_empty_cases_void_and_channel() -> None:
    empty = torch.zeros(2, 3, 3)
    assert (binarised_f1(empty, empty.bool()) == 1).all()
    assert (binarised_iou(torch.ones(2, 3, 3), empty.bool()) == 0).all()
    assert (binarised_iou(torch.ones(2, 3, 3), empty.bool(), valid=empty.bool()) == 1).all()
    mask, target, valid = example()
    assert torch.equal(
        binarised_iou(mask[:, None], target[:, None], valid=valid[:, None]), binarised_iou(mask, target, valid=valid)
    )
    assert binarised_iou(mask[:0], target[:0]).shape == (0, 9)


@pytest.mark.parametrize(("metric", "function"), [(BinarisedF1, binarised_f1), (BinarisedIoU, binarised_iou)])
def test_metric_merges_and_counts_nan(metric, function) -> None:
    mask, target, valid = example()
    mask[3, 1, 1] = torch.nan
    scores = function(mask, target, valid=valid)
    assert (scores[3] == 0).all()
    first, second = metric(), metric()
    first.update(mask[:4], target[:4], valid[:4])
    second.update(mask[4:], target[4:], valid[4:])
    first.merge_state(second)
    torch.testing.assert_close(first.means(), scores.mean(0))
    torch.testing.assert_close(first.compute(), scores.mean())
    assert (first.nan_count, first.count) == (1, 5)
    first.reset()
    assert first.count == 0


def test_best_threshold_of_planted_masks() -> None:
    target = torch.zeros(3, 8, 8, dtype=torch.bool)
    target[:, 2:6, 2:6] = True
    mask = torch.where(target, 0.42, 0.37)
    state = BestThreshold()
    state.update(mask, target)
    # Everything above 0.37 up to 0.42 separates perfectly; the lowest on the grid is 0.38.
    assert state.compute().item() == pytest.approx(0.38)
    assert best_threshold(binarised_iou(mask, target, thresholds=FINE_THRESHOLDS), FINE_THRESHOLDS) == 0.38
    assert state.higher_is_better is None


def test_best_threshold_is_that_of_the_mean_not_of_each_image() -> None:
    scores = torch.tensor([[0.9, 0.5, 0.0], [0.0, 0.5, 0.8]])
    assert best_threshold(scores, (0.2, 0.4, 0.6)) == 0.4


@pytest.mark.parametrize(
    "thresholds", [(), (0.5, 0.4), (0.5, 0.5), (-0.1, 0.5), (0.5, 1.1), (0.5, float("nan")), (0.5, 0.5 + 1e-6)]
)
def test_unusable_thresholds(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="ascending"):
        binarised_iou(torch.rand(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool), thresholds=thresholds)


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric BestThreshold")
def test_unusable_scores() -> None:
    with pytest.raises(InputError, match="scores has shape"):
        best_threshold(torch.rand(2, 3), (0.1, 0.2))
    with pytest.raises(InputError, match="NaN"):
        BestThreshold().compute()
    with pytest.raises(InputError, match="N ≥ 1"):
        best_threshold(torch.rand(0, 2), (0.1, 0.2))
    with pytest.raises(InputError, match="normalise"):
        binarised_iou(torch.full((1, 2, 2), 2.0), torch.ones(1, 2, 2, dtype=torch.bool))


def test_masks_that_ask_for_gradients_are_fine() -> None:
    mask, target, _ = example()
    assert torch.equal(binarised_iou(mask.requires_grad_(), target), binarised_iou(mask.detach(), target))
    assert soft_iou(mask, target).requires_grad


def test_memory_layout_does_not_matter() -> None:
    mask, target, valid = example()
    permuted = mask.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(binarised_iou(permuted, target, valid=valid), binarised_iou(mask, target, valid=valid))
    expanded = mask[:1].expand(5, -1, -1)
    assert torch.equal(binarised_iou(expanded, target), binarised_iou(expanded.contiguous(), target))
