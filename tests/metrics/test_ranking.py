from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import AveragePrecision, RocAuc, average_precision, roc_auc

FUNCTIONS = [roc_auc, average_precision]
Scored = tuple[Tensor, Tensor, Tensor]


def pairs(mask: Tensor, target: Tensor) -> float:
    """ROC-AUC by its definition: every pair of an object and a background pixel, ties counting half."""
    inside, outside = mask[target].double()[:, None], mask[~target].double()[None]
    return float(((inside > outside).double() + 0.5 * (inside == outside).double()).mean())


def test_hand_worked_values() -> None:
    mask = torch.tensor([[[0.9, 0.7, 0.7], [0.4, 0.4, 0.0]]])
    target = torch.tensor([[[1, 1, 0], [0, 1, 0]]], dtype=torch.uint8)
    # Object 0.9, 0.7, 0.4 against background 0.7, 0.4, 0: 3 + 2.5 + 1.5 of 9 pairs.
    assert roc_auc(mask, target).item() == pytest.approx(7 / 9)
    # Values descending: 0.9 (1 of 1), 0.7 (2 of 3), 0.4 (3 of 5); each adds a third of the recall.
    assert average_precision(mask, target).item() == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_auc_counts_pairs(scored: Scored, dtype: torch.dtype) -> None:
    mask, target, valid = scored
    mask = mask.to(dtype)
    expected = [pairs(m[v], g[v]) for m, g, v in zip(mask, target, valid, strict=True)]
    torch.testing.assert_close(roc_auc(mask, target, valid), torch.tensor(expected, dtype=dtype))
    expected = [pairs(m, g) for m, g in zip(mask, target, strict=True)]
    torch.testing.assert_close(roc_auc(mask, target), torch.tensor(expected, dtype=dtype))


@pytest.mark.parametrize("with_void", [False, True])
def test_agrees_with_scikit_learn(scored: Scored, with_void: bool) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    mask, target, valid = scored
    keep = valid if with_void else torch.ones_like(valid)
    for ours, theirs in ((roc_auc, sklearn.roc_auc_score), (average_precision, sklearn.average_precision_score)):
        expected = [theirs(g[v].numpy(), m[v].double().numpy()) for m, g, v in zip(mask, target, keep, strict=True)]
        np.testing.assert_allclose(ours(mask, target, keep).numpy(), expected, atol=1e-6)


def test_agrees_with_quantus() -> None:
    quantus = pytest.importorskip("quantus")
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(3, 1, 8, 8, generator=generator)
    target = torch.rand(3, 1, 8, 8, generator=generator) < 0.4
    theirs = quantus.AUC(normalise=False, disable_warnings=True).evaluate_batch(
        a_batch=mask.numpy(), s_batch=target.numpy()
    )
    np.testing.assert_allclose(roc_auc(mask, target).numpy(), np.ravel(theirs), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_constant_masks_score_chance(value: float) -> None:
    target = torch.tensor([[[True, False, False, False]]])
    mask = torch.full((1, 1, 4), value)
    assert roc_auc(mask, target).item() == 0.5
    assert average_precision(mask, target).item() == 0.25


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_object_itself_scores_one_and_its_opposite_least(function, scored: Scored) -> None:
    _, target, valid = scored
    assert function(target.float(), target, valid).tolist() == [1.0] * 8
    opposite = function((~target).float(), target, valid)
    if function is roc_auc:
        assert (opposite == 0).all()
    else:  # all pixels are needed before the first of the object, so that precision is its share
        torch.testing.assert_close(opposite, (target & valid).sum((1, 2)) / valid.sum((1, 2)))


def test_nothing_to_rank() -> None:
    mask = torch.rand(1, 3, 3)
    nothing, everything = torch.zeros(1, 3, 3).bool(), torch.ones(1, 3, 3).bool()
    assert roc_auc(mask, nothing).item() == roc_auc(mask, everything).item() == 0.5
    assert average_precision(mask, nothing).item() == 0
    assert average_precision(mask, everything).item() == 1
    assert roc_auc(mask, everything, nothing).item() == 0.5
    assert average_precision(mask, everything, nothing).item() == 0
    for metric in (RocAuc(), AveragePrecision()):
        metric.update(mask.expand(3, 3, 3), torch.cat([nothing, everything, mask > mask.median()]))
        assert (metric.empty_count, metric.nan_count, metric.count) == (2, 0, 3)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_void_pixels_never_count(function, scored: Scored) -> None:
    mask, target, valid = scored
    other = torch.where(valid, mask, 1 - mask)
    flipped = torch.where(valid, target, ~target)
    assert torch.equal(function(mask, target, valid), function(other, flipped, valid))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_order_counts(function, scored: Scored) -> None:
    mask, target, _ = scored
    torch.testing.assert_close(function(mask, target), function(mask / 4 + 0.5, target), atol=2e-3, rtol=0)
    negative_zero = torch.where(mask == 0, -0.0, mask)
    assert torch.equal(function(mask, target), function(negative_zero, target))


@pytest.mark.parametrize(("metric", "function"), [(RocAuc, roc_auc), (AveragePrecision, average_precision)])
def test_nan_is_the_worst_score_and_is_counted(metric, function, scored: Scored) -> None:
    mask, target, valid = scored
    good = function(mask, target, valid)
    mask[5, 2, 2] = torch.nan
    scores = function(mask, target, valid)
    assert scores[5] == 0
    assert torch.equal(scores[:5], good[:5])
    state = metric()
    state.update(mask, target, valid)
    torch.testing.assert_close(state.compute(), scores.mean())
    assert (state.nan_count, state.count) == (1, 8)
    assert state.higher_is_better is True


@pytest.mark.parametrize("function", FUNCTIONS)
def test_shapes(function, scored: Scored) -> None:
    mask, target, valid = scored
    assert torch.equal(function(mask[:, None], target[:, None], valid[:, None]), function(mask, target, valid))
    assert function(mask[:0], target[:0]).shape == (0,)
    assert torch.equal(function(mask.clone().requires_grad_(), target), function(mask, target))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_large_picture_is_counted_exactly(function) -> None:
    mask = torch.linspace(1, 0, 600 * 600, dtype=torch.float64).view(1, 600, 600)
    target = torch.zeros(1, 600, 600, dtype=torch.bool)
    target[:, 300:] = True
    # More pairs than float32 or int32 can count, all of them in the wrong order.
    assert roc_auc(mask, target).item() == 0
    half = 180_000
    expected = sum(k / (half + k) for k in range(1, half + 1)) / half
    assert average_precision(mask, target).item() == pytest.approx(expected, abs=1e-12)
    assert function(1 - mask, target).item() == 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_float32_loses_no_digits_over_many_pixels(function) -> None:
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(3, 224, 224, generator=generator)
    target = torch.rand(3, 224, 224, generator=generator) < 0.3
    torch.testing.assert_close(function(mask, target), function(mask.double(), target).float(), atol=5e-7, rtol=0)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bad_input(function) -> None:
    target = torch.ones(1, 2, 2, dtype=torch.bool)
    with pytest.raises(InputError, match="normalise"):
        function(torch.full((1, 2, 2), 1.5), target)
    with pytest.raises(InputError, match="mask is torch"):
        function(target.long(), target)
    with pytest.raises(InputError, match="target has shape"):
        function(torch.ones(1, 2, 3), target)
    with pytest.raises(InputError, match="valid=False"):
        function(torch.ones(1, 2, 2), torch.full((1, 2, 2), 255))
