from __future__ import annotations

import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import (
    AverageDrop,
    AverageIncrease,
    KeptProbability,
    RemovedProbability,
    average_drop,
    average_increase,
    kept_removed,
)


def test_hand_worked_values(halves) -> None:
    images, background = torch.ones(2, 3, 2, 2), torch.full((2, 3, 2, 2), 0.2)
    mask = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[0.5, 0.5], [0.5, 0.0]]])
    kept, removed = kept_removed(halves, images, mask, background)
    # A hidden pixel shows 0.2, one that is half hidden 0.6.
    torch.testing.assert_close(kept, torch.tensor([[0.6, 0.2], [0.6, 0.4]]))
    torch.testing.assert_close(removed, torch.tensor([[0.6, 1.0], [0.6, 0.8]]))
    drop = average_drop(torch.tensor([0.8, 0.5, 0.0, 0.0]), torch.tensor([0.2, 0.9, 0.0, 0.3]))
    torch.testing.assert_close(drop, torch.tensor([0.75, 0.0, 0.0, 0.0]))
    increase = average_increase(torch.tensor([0.8, 0.5, 0.4]), torch.tensor([0.2, 0.9, 0.4]))
    assert increase.tolist() == [0, 1, 0]


def test_constant_masks_and_the_object_itself(halves) -> None:
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    background = torch.zeros_like(images)
    whole = halves(images)
    kept, removed = kept_removed(halves, images, torch.ones(2, 4, 4), background)
    torch.testing.assert_close(kept, whole)
    assert (removed == 0).all()
    assert (average_drop(whole, kept) == 0).all()
    assert (average_increase(whole, kept) == 0).all()
    assert (average_drop(whole, removed) == 1).all()
    half, other = kept_removed(halves, images, torch.full((2, 4, 4), 0.5), background)
    torch.testing.assert_close(half, whole / 2)
    torch.testing.assert_close(half, other)
    object_itself = torch.zeros(2, 4, 4)
    object_itself[:, :, :2] = 1  # all that class 0 sees
    kept, removed = kept_removed(halves, images, object_itself, background)
    torch.testing.assert_close(kept, whole * torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(removed, whole * torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_memory_is_bounded_by_the_batch_size(halves, batch_size: int) -> None:
    images, mask = torch.rand(5, 3, 4, 4), torch.rand(5, 1, 4, 4)
    kept, removed = kept_removed(halves, images, mask, torch.zeros_like(images), batch_size)
    assert sum(halves.batches) == 10
    assert max(halves.batches) == min(batch_size, 10)
    torch.testing.assert_close(kept, halves(images * mask))
    torch.testing.assert_close(removed, halves(images * (1 - mask)))


def test_nan_is_the_worst_score_and_is_counted(halves) -> None:
    images, mask, labels = torch.ones(2, 3, 2, 2), torch.ones(2, 2, 2), torch.tensor([[1, 0], [1, 1]])
    mask[1, 0, 0] = torch.nan
    kept, removed = kept_removed(halves, images, mask, torch.zeros_like(images))
    assert kept.isnan().tolist() == removed.isnan().tolist() == [[False, False], [True, True]]
    whole = halves(images)
    assert average_drop(whole, kept)[1].tolist() == [1, 1]
    assert average_increase(whole, kept)[1].tolist() == [0, 0]
    for metric, arguments, mean in (
        (KeptProbability(), (kept,), (1 + 0) / 2),
        (RemovedProbability(), (removed,), (0 + 1) / 2),
        (AverageDrop(), (whole, kept), (0 + 1) / 2),
        (AverageIncrease(), (whole, kept), 0),
    ):
        metric.update(*arguments, labels)
        assert metric.compute().item() == mean
        assert (metric.nan_count, metric.count) == (1, 2)
        assert metric.higher_is_better is isinstance(metric, (KeptProbability, AverageIncrease))


def test_metrics_average_over_labels_then_images() -> None:
    whole, kept = torch.tensor([[0.8, 0.5], [0.4, 0.9]]), torch.tensor([[0.4, 1.0], [0.3, 0.0]])
    labels = torch.tensor([[1, 1], [1, 0]])
    drop, increase = AverageDrop(), AverageIncrease()
    drop.update(whole, kept, labels)
    increase.update(whole, kept, labels)
    assert drop.compute().item() == pytest.approx((0.5 / 2 + 0.25) / 2)
    assert increase.compute().item() == pytest.approx((0.5 + 0) / 2)


def test_bad_input(halves) -> None:
    images = torch.rand(2, 3, 4, 4)
    with pytest.raises(InputError, match="mask has shape"):
        kept_removed(halves, images, torch.rand(2, 4, 3), images)
    with pytest.raises(InputError, match="background has shape"):
        kept_removed(halves, images, torch.rand(2, 4, 4), images[:1])
    with pytest.raises(InputError, match="normalise"):
        kept_removed(halves, images, torch.rand(2, 4, 4) + 1, images)
    with pytest.raises(InputError, match="images are"):
        kept_removed(halves, images[0], torch.rand(2, 4, 4), images)
    for function in (average_drop, average_increase):
        with pytest.raises(InputError, match="do not fit"):
            function(torch.rand(2), torch.rand(3))
        with pytest.raises(InputError, match="kept has values"):
            function(torch.rand(2), torch.full((2,), -4.0))
    with pytest.raises(InputError, match="has none"):
        KeptProbability().update(torch.rand(1, 2), torch.zeros(1, 2))
