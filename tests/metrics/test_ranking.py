from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import AveragePrecision, RocAuc, average_precision, roc_auc


def pairs(seed: int = 0, levels: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Random masks, objects and void; with ``levels`` few values, hence many ties."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(5, 12, 9, generator=generator)
    mask = mask if levels is None else (mask * levels).floor() / levels
    return mask, torch.rand(5, 12, 9, generator=generator) < 0.3, torch.rand(5, 12, 9, generator=generator) < 0.9


def test_by_hand() -> None:
    mask = torch.tensor([[[0.9, 0.8, 0.7, 0.1]]])
    target = torch.tensor([[[True, False, True, False]]])
    # Of the four pairs one is in the wrong order; precision is 1 at the first object pixel and 2/3 at the second.
    torch.testing.assert_close(roc_auc(mask, target), torch.tensor([0.75]))
    torch.testing.assert_close(average_precision(mask, target), torch.tensor([(1 + 2 / 3) / 2]))


@pytest.mark.parametrize("levels", [None, 4])
@pytest.mark.parametrize("void", [False, True])
def test_equal_scikit_learn_ties_and_void_included(levels: int | None, void: bool) -> None:
    scores = pytest.importorskip("sklearn.metrics")
    mask, target, valid = pairs(levels=levels)
    roc, ap = (function(mask, target, valid if void else None) for function in (roc_auc, average_precision))
    for n in range(len(mask)):
        keep = valid[n] if void else torch.ones_like(valid[n])
        truth, values = target[n][keep].numpy(), mask[n][keep].numpy()
        assert roc[n].item() == pytest.approx(scores.roc_auc_score(truth, values), abs=1e-6)
        assert ap[n].item() == pytest.approx(scores.average_precision_score(truth, values), abs=1e-6)


def test_constant_masks_and_the_truth_itself() -> None:
    _, target, _ = pairs()
    share = target.float().mean((1, 2))
    for value in (0.0, 0.5, 1.0):
        constant = torch.full(target.shape, value)
        torch.testing.assert_close(roc_auc(constant, target), torch.full((5,), 0.5))
        torch.testing.assert_close(average_precision(constant, target), share)
    for function in (roc_auc, average_precision):
        torch.testing.assert_close(function(target.float(), target), torch.ones(5))


def test_void_pixels_do_not_count() -> None:
    mask, target, valid = pairs()
    other = torch.where(valid, mask, 1 - mask)
    flipped = target ^ ~valid
    for function in (roc_auc, average_precision):
        assert torch.equal(function(mask, target, valid), function(other, flipped, valid))


def test_nothing_to_rank_and_nan() -> None:
    mask = torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(0))
    target = torch.stack([torch.zeros(4, 4), torch.ones(4, 4), torch.eye(4)]).bool()
    mask[2, 0, 0] = torch.nan
    assert roc_auc(mask, target).tolist() == [0.5, 0.5, 0.0]
    assert average_precision(mask, target).tolist() == [0.0, 1.0, 0.0]
    metric = RocAuc()
    metric.update(mask, target)
    assert int(metric.nan_count) == 1
    assert metric.compute().item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("kind", [RocAuc, AveragePrecision])
def test_parts_that_are_merged_equal_the_whole(kind: type[RocAuc]) -> None:
    mask, target, valid = pairs()
    whole, first, second = kind(), kind(), kind()
    whole.update(mask, target, valid)
    first.update(mask[:2], target[:2], valid[:2])
    second.update(mask[2:], target[2:], valid[2:])
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), whole.compute())
    assert whole.higher_is_better


def test_values_outside_the_unit_interval_are_refused() -> None:
    with pytest.raises(InputError, match="mask"):
        roc_auc(torch.full((1, 2, 2), 1.5), torch.ones(1, 2, 2, dtype=torch.bool))
