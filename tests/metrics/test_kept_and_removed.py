from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import (
    AverageDrop,
    AverageIncrease,
    KeptProbability,
    RemovedProbability,
    average_drop,
    average_increase,
    kept_removed,
    label_mean,
)
from explanans.metrics.shared.asking import answers


def means(images: Tensor) -> Tensor:
    """A classifier of three classes whose probabilities are the means of the three channels."""
    return images.mean((2, 3))


def example(seed: int = 0, count: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 3, 6, 4, generator=generator)
    mask = torch.rand(count, 6, 4, generator=generator)
    background = torch.rand(count, 3, 6, 4, generator=generator)
    return images, mask, background


def test_hand_worked_kept_and_removed() -> None:
    # Two pixels; the classes see 0.8 and 0.4, 1 and 0, 0 and 0. A quarter of the second pixel is kept.
    images = torch.tensor([[[[0.8, 0.4]], [[1.0, 0.0]], [[0.0, 0.0]]]])
    mask = torch.tensor([[[1.0, 0.25]]])
    kept, removed = kept_removed(means, images, mask, torch.zeros_like(images))
    torch.testing.assert_close(kept, torch.tensor([[0.45, 0.5, 0.0]]))
    torch.testing.assert_close(removed, torch.tensor([[0.15, 0.0, 0.0]]))
    # A background of 0.2 adds 0.2 · 0.75 / 2 to what is kept and 0.2 · 1.25 / 2 to what is left.
    kept, removed = kept_removed(means, images, mask, torch.full_like(images, 0.2))
    torch.testing.assert_close(kept, torch.tensor([[0.525, 0.575, 0.075]]))
    torch.testing.assert_close(removed, torch.tensor([[0.275, 0.125, 0.125]]))


def test_full_and_empty_masks() -> None:
    images, mask, background = example()
    kept, removed = kept_removed(means, images, torch.ones_like(mask), background)
    torch.testing.assert_close((kept, removed), (means(images), means(background)))
    kept, removed = kept_removed(means, images, torch.zeros_like(mask), background)
    torch.testing.assert_close((kept, removed), (means(background), means(images)))


@pytest.mark.parametrize("batch_size", [1, 3, 5, 7, 10, 64])
def test_batches_change_nothing(batch_size: int) -> None:
    images, mask, background = example()
    sizes: list[int] = []

    def classify(batch: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        sizes.append(len(batch))
        return means(batch)

    kept, removed = kept_removed(classify, images, mask, background, batch_size=batch_size)
    m = mask[:, None]
    torch.testing.assert_close(kept, means(images * m + background * (1 - m)))
    torch.testing.assert_close(removed, means(images * (1 - m) + background * m))
    assert sum(sizes) == 10
    assert max(sizes) <= batch_size


def test_a_channel_of_one_and_half_precision_masks_are_accepted() -> None:
    images, mask, background = example()
    expected = kept_removed(means, images, mask, background)
    torch.testing.assert_close(kept_removed(means, images, mask[:, None], background), expected, rtol=0, atol=0)
    halves = (mask > 0.5).half()
    torch.testing.assert_close(
        kept_removed(means, images, halves, background), kept_removed(means, images, halves.float(), background)
    )


def test_a_mask_with_a_nan_spoils_its_own_image_alone() -> None:
    images, mask, background = example()
    good = kept_removed(means, images, mask, background)
    mask[3, 2, 1] = torch.nan
    # A classifier that hides the NaN must not hide that the mask was broken.
    for classify in (means, lambda batch: means(batch).nan_to_num(0.5)):
        for values, expected in zip(kept_removed(classify, images, mask, background), good, strict=True):
            assert values[3].isnan().all()
            assert torch.equal(values[[0, 1, 2, 4]], expected[[0, 1, 2, 4]])


def test_bad_input_of_kept_removed() -> None:
    images, mask, background = example()
    cases = [
        ((images[0], mask, background), "images are"),
        ((images.byte(), mask, background), "images are torch.uint8"),
        ((images, mask[:2], background), "mask has shape"),
        ((images, mask[:, :3], background), "mask has shape"),
        ((images, mask, background[:1]), "background has shape"),
        ((images, mask.long(), background), "mask is torch.int64"),
        ((images, mask + 0.5, background), r"mask has values outside \[0, 1\]"),
        ((images, mask - 0.5, background), "normalise"),
        ((images[:0], mask[:0], background[:0]), "images are"),
    ]
    for arguments, message in cases:
        with pytest.raises(InputError, match=message):
            kept_removed(means, *arguments)
    with pytest.raises(InputError, match="batch_size=0"):
        kept_removed(means, images, mask, background, batch_size=0)


@pytest.mark.parametrize(
    ("classify", "message"),
    [
        (lambda images: means(images) * 5, "not logits"),
        (lambda images: means(images) - 2, "not logits"),
        (lambda images: means(images)[:, 0], "classify returned"),
        (lambda images: means(images)[:1], "classify returned"),
    ],
)
def test_a_classifier_that_gives_no_probabilities_is_refused(classify, message: str) -> None:
    with pytest.raises(InputError, match=message):
        kept_removed(classify, *example())


def test_answers_come_in_order_and_one_batch_is_made_at_a_time() -> None:
    made: list[list[int]] = []

    def make(indices: Tensor) -> Tensor:
        made.append(indices.tolist())
        return (indices.float() / 10)[:, None, None, None].expand(-1, 3, 2, 2)

    def classify(images: Tensor) -> Tensor:
        # What has been made by now is this batch and those before.
        assert sum(map(len, made)) == round(images[-1, 0, 0, 0].item() * 10) + 1
        return means(images).double()

    values = answers(classify, 7, make, 3, torch.zeros(1))
    assert made == [[0, 1, 2], [3, 4, 5], [6]]
    assert values.dtype == torch.float32
    torch.testing.assert_close(values[:, 0], torch.arange(7) / 10)


def test_average_drop_and_increase() -> None:
    whole = torch.tensor([0.8, 0.8, 0.5, 0.5, 0.0, 0.0, 1.0])
    kept = torch.tensor([0.2, 0.0, 0.5, 1.0, 0.0, 0.3, 1.0])
    torch.testing.assert_close(average_drop(whole, kept), torch.tensor([0.75, 1, 0, 0, 0, 0, 0]))
    assert average_increase(whole, kept).tolist() == [0, 0, 0, 1, 0, 1, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_average_drop_and_increase_elementwise(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    whole, kept = torch.rand(2, 5, 3, generator=generator, dtype=dtype)
    drops, increases = average_drop(whole, kept), average_increase(whole, kept)
    assert drops.dtype == increases.dtype == dtype
    for n in range(5):
        for c in range(3):
            p, q = whole[n, c].item(), kept[n, c].item()
            assert drops[n, c].item() == pytest.approx(max(0, p - q) / p, rel=1e-5)
            assert increases[n, c].item() == (q > p)


def test_average_drop_and_increase_of_nan() -> None:
    whole = torch.tensor([torch.nan, 0.5, 0.0, torch.nan])
    kept = torch.tensor([0.5, torch.nan, torch.nan, torch.nan])
    assert average_drop(whole, kept).tolist() == [1.0] * 4
    assert average_increase(whole, kept).tolist() == [0.0] * 4


@pytest.mark.parametrize("function", [average_drop, average_increase])
@pytest.mark.parametrize(
    ("whole", "kept", "message"),
    [
        (torch.ones(3), torch.ones(2), "do not fit"),
        (torch.ones(3, 2), torch.ones(3), "do not fit"),
        (torch.ones(3, dtype=torch.long), torch.ones(3, dtype=torch.long), "floats"),
        (torch.full((3,), 1.5), torch.ones(3), "whole has values"),
        (torch.ones(3), torch.full((3,), -0.5), "kept has values"),
    ],
)
def test_bad_input_of_drop_and_increase(function, whole: Tensor, kept: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        function(whole, kept)


def test_label_mean() -> None:
    values = torch.tensor([[0.2, 0.4, 0.9], [0.1, 0.5, torch.nan]])
    # A label counts once whatever number marks it, and what is no label does not count even if it is NaN.
    labels = torch.tensor([[1, 0, 3], [1, 1, 0]])
    expected = torch.tensor([0.55, 0.3])
    torch.testing.assert_close(label_mean(values, labels), expected)
    torch.testing.assert_close(label_mean(values, labels.float()), expected)
    torch.testing.assert_close(label_mean(values, labels.bool()), expected)
    assert label_mean(values, torch.ones_like(labels))[1].isnan()


def test_bad_input_of_label_mean() -> None:
    with pytest.raises(InputError, match="do not fit"):
        label_mean(torch.ones(2, 3), torch.ones(2, 2))
    with pytest.raises(InputError, match="do not fit"):
        label_mean(torch.ones(3), torch.ones(3))
    with pytest.raises(InputError, match="has none"):
        label_mean(torch.ones(2, 3), torch.tensor([[1, 0, 0], [0, 0, 0]]))


def probabilities(seed: int = 0, count: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    whole, kept = torch.rand(2, count, 3, generator=generator)
    labels = torch.rand(count, 3, generator=generator) < 0.5
    labels[:, 0] = True
    return whole, kept, labels.long()


# Metric, function of (whole, kept) per class, worst value, higher is better, does it take the whole image's answer.
METRICS = [
    (KeptProbability, lambda whole, kept: kept, 0, True, False),
    (RemovedProbability, lambda whole, kept: kept, 1, False, False),
    (AverageDrop, average_drop, 1, False, True),
    (AverageIncrease, average_increase, 0, True, True),
]


@pytest.mark.parametrize(("metric", "function", "worst", "higher", "paired"), METRICS)
def test_metrics_average_over_labels_and_images(metric, function, worst, higher, paired) -> None:
    whole, kept, labels = probabilities()
    # One broken image: NaN in a class that is a label.
    kept[4, 0] = torch.nan
    values = function(whole, kept).double()
    expected = []
    for n in range(len(whole)):
        mine = [values[n, c].item() for c in range(3) if labels[n, c]]
        expected.append(worst if n == 4 else sum(mine) / len(mine))
    arguments = (whole, kept, labels) if paired else (kept, labels)
    state, first, second = metric(), metric(), metric()
    state.update(*arguments)
    first.update(*(a[:3] for a in arguments))
    second.update(*(a[3:] for a in arguments))
    first.merge_state(second)
    for one in (state, first):
        assert one.compute().item() == pytest.approx(sum(expected) / 7, rel=1e-6)
        assert (one.nan_count.item(), one.count.item()) == (1, 7)
    assert state.higher_is_better is higher


@pytest.mark.parametrize(("metric", "function", "worst", "higher", "paired"), METRICS)
def test_a_nan_in_a_class_that_is_no_label_does_not_count(metric, function, worst, higher, paired) -> None:
    whole, kept, labels = probabilities()
    labels[2, 1] = 0
    expected = label_mean(function(whole, kept), labels).mean()
    kept[2, 1] = torch.nan
    state = metric()
    state.update(*((whole, kept, labels) if paired else (kept, labels)))
    torch.testing.assert_close(state.compute(), expected)
    assert state.nan_count == 0


@pytest.mark.parametrize("metric", [AverageDrop, AverageIncrease])
def test_a_broken_answer_to_the_whole_image_counts_too(metric) -> None:
    whole, kept, labels = probabilities()
    whole[1, 0] = torch.nan
    state = metric()
    state.update(whole, kept, labels)
    assert state.nan_count == 1


def test_broken_masks_reach_the_metrics_as_the_worst_value() -> None:
    images, mask, background = example(count=2)
    mask[1, 0, 0] = torch.nan
    labels = torch.tensor([[1, 0, 1], [0, 1, 0]])
    kept, removed = kept_removed(means, images, mask, background)
    for metric, values, worst in ((KeptProbability(), kept, 0), (RemovedProbability(), removed, 1)):
        metric.update(values, labels)
        assert metric.compute().item() == pytest.approx((values[0, [0, 2]].mean().item() + worst) / 2)
        assert metric.nan_count == 1
