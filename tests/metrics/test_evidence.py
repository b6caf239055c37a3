from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import (
    AverageDrop,
    KeptProbability,
    average_drop,
    average_increase,
    kept_removed,
    label_mean,
)


def brightness(images: Tensor) -> Tensor:
    """Class 0 is the mean of the left half, class 1 that of the right half."""
    half = images.shape[-1] // 2
    return torch.stack([images[..., :half].mean((1, 2, 3)), images[..., half:].mean((1, 2, 3))], 1)


IMAGES = torch.ones(2, 3, 4, 4)
LEFT = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(2, 4, 4)


def test_by_hand() -> None:
    kept, removed = kept_removed(brightness, IMAGES, LEFT, torch.zeros_like(IMAGES))
    torch.testing.assert_close(kept, torch.tensor([[1.0, 0.0]] * 2))
    torch.testing.assert_close(removed, torch.tensor([[0.0, 1.0]] * 2))
    kept, removed = kept_removed(brightness, IMAGES, 0.25 * LEFT, torch.full_like(IMAGES, 0.5))
    torch.testing.assert_close(kept, torch.tensor([[0.625, 0.5]] * 2))
    torch.testing.assert_close(removed, torch.tensor([[0.875, 1.0]] * 2))


def test_no_call_is_larger_than_asked_for() -> None:
    seen: list[int] = []

    def classify(images: Tensor) -> Tensor:
        seen.append(len(images))
        return brightness(images)

    kept_removed(classify, IMAGES, LEFT, torch.zeros_like(IMAGES), batch_size=3)
    assert seen == [3, 1]


def test_drop_and_increase_by_hand() -> None:
    whole, kept = torch.tensor([0.8, 0.5, 0.0, torch.nan]), torch.tensor([0.2, 0.6, 0.3, 0.1])
    torch.testing.assert_close(average_drop(whole, kept), torch.tensor([0.75, 0.0, 0.0, 1.0]))
    assert average_increase(whole, kept).tolist() == [0, 1, 1, 0]


def test_several_labels_are_averaged_within_the_image() -> None:
    values = torch.tensor([[0.2, 0.4, 0.9], [0.1, 0.2, 0.3]])
    torch.testing.assert_close(label_mean(values, torch.tensor([[1, 1, 0], [0, 0, 1]])), torch.tensor([0.3, 0.3]))


def test_a_nan_in_the_mask_counts_with_the_worst_value() -> None:
    mask = LEFT.clone()
    mask[0, 0, 0] = torch.nan
    labels = torch.tensor([[1, 0], [1, 0]])
    kept, _ = kept_removed(brightness, IMAGES, mask, torch.zeros_like(IMAGES))
    assert kept[0].isnan().all()
    assert not kept[1].isnan().any()
    metric = KeptProbability()
    metric.update(kept, labels)
    assert metric.compute().item() == 0.5
    assert int(metric.nan_count) == 1
    assert KeptProbability.higher_is_better
    assert not AverageDrop.higher_is_better


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match=r"mask has values outside \[0, 1\]"):
        kept_removed(brightness, IMAGES, 2 * LEFT, torch.zeros_like(IMAGES))
    with pytest.raises(InputError, match="give probabilities, not logits"):
        average_drop(torch.tensor([3.0]), torch.tensor([1.0]))
