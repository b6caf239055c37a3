from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import Deletion, Insertion, curve_auc, deletion, insertion

BOTH = [(Insertion, insertion, 0.0), (Deletion, deletion, 1.0)]


class Share:
    """Class 0: mean of the four middle pixels of 4 × 4; class 1: the upper left pixel. Remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return torch.stack([images[:, 0, 1:3, 1:3].mean((1, 2)), images[:, 1, 0, 0]], 1)


def white(count: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """White images with label 0, the black background, and the object that class 0 looks at as the map."""
    images, target = torch.ones(count, 3, 4, 4), torch.zeros(count, 4, 4)
    target[:, 1:3, 1:3] = 1
    return images, target, torch.tensor([[1, 0]]).expand(count, 2)


def example(count: int = 5) -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor, Tensor, Tensor]:
    """A smooth classifier of three classes, images 5 × 7, maps with ties and one, two or three labels."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(3 * 5 * 7, 3, generator=generator)
    images = torch.randn(count, 3, 5, 7, generator=generator)
    background = torch.randn(count, 3, 5, 7, generator=generator) / 4
    maps = torch.randint(0, 9, (count, 5, 7), generator=generator).float() - 4
    labels = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 1]]).repeat(count, 1)[:count]
    return lambda batch: (batch.flatten(1) @ weight / 5).sigmoid(), images, maps, labels, background


def naive(classify, image: Tensor, map_: Tensor, labels: Tensor, background: Tensor, steps: int, appear: bool) -> list:
    """Curve of one image, pixel by pixel."""
    rows, columns = map_.shape
    order = sorted(range(rows * columns), key=lambda i: -map_[i // columns, i % columns].item())
    curve = []
    for k in range(steps + 1):
        canvas = (background if appear else image).clone()
        for i in order[: int(np.floor(k * rows * columns / steps + 0.5))]:
            y, x = i // columns, i % columns
            canvas[:, y, x] = (image if appear else background)[:, y, x]
        probabilities = classify(canvas[None])[0]
        curve.append(np.mean([probabilities[c].item() for c in range(len(labels)) if labels[c]]))
    return curve


def test_the_object_itself_by_hand() -> None:
    images, target, labels = white()
    black = torch.zeros_like(images)
    shown = insertion(Share(), images, target, labels, black)
    hidden = deletion(Share(), images, target, labels, black)
    assert shown[0].tolist() == [0, 0.25, 0.5, 0.75] + [1] * 13
    assert hidden[0].tolist() == [1, 0.75, 0.5, 0.25] + [0] * 13
    # Σ of the inner points and half of the ends: (0.25 + 0.5 + 0.75 + 12 + 0.5) / 16 and (0.75 + 0.5 + 0.25 + 0.5) / 16
    assert curve_auc(shown).tolist() == [14 / 16]
    assert curve_auc(hidden).tolist() == [2 / 16]


def test_the_object_upside_down_by_hand() -> None:
    images, target, labels = white()
    black = torch.zeros_like(images)
    assert insertion(Share(), images, -target, labels, black)[0].tolist() == [0] * 13 + [0.25, 0.5, 0.75, 1]
    assert deletion(Share(), images, -target, labels, black)[0].tolist() == [1] * 13 + [0.75, 0.5, 0.25, 0]


@pytest.mark.parametrize("value", [-3.0, 0.0, 1.0])
def test_a_constant_map_goes_row_by_row(value: float) -> None:
    images, target, labels = white()
    curve = insertion(Share(), images, torch.full_like(target, value), labels, torch.zeros_like(images))
    # The object's pixels are numbers 5, 6, 9 and 10 of 0 … 15.
    assert curve[0].tolist() == [0] * 6 + [0.25] + [0.5] * 3 + [0.75] + [1] * 6


def test_two_labels_are_averaged() -> None:
    images, target, _ = white()
    curve = insertion(Share(), images, target, torch.tensor([[1, 1]]), torch.zeros_like(images), steps=4)
    # After the object (4 pixels) the first to appear is the upper left one, which class 1 looks at.
    assert curve[0].tolist() == [0, 0.5, 1, 1, 1]


def test_only_the_order_of_the_values_counts() -> None:
    classify, images, maps, labels, background = example()
    torch.testing.assert_close(
        insertion(classify, images, (maps / 3).exp() * 100 - 7, labels, background),
        insertion(classify, images, maps, labels, background),
    )


@pytest.mark.parametrize("steps", [1, 4, 16, 35])
def test_agrees_with_a_loop_over_pixels(steps: int) -> None:
    classify, *data = example()
    for function, appear in ((insertion, True), (deletion, False)):
        expected = [naive(classify, *image, steps=steps, appear=appear) for image in zip(*data, strict=True)]
        curve = function(classify, *data, steps=steps)
        np.testing.assert_allclose(curve.numpy(), np.array(expected), rtol=1e-5)
        areas = [np.mean([(a + b) / 2 for a, b in pairwise(row)]) for row in expected]
        np.testing.assert_allclose(curve_auc(curve).numpy(), areas, rtol=1e-5)


def test_ends_are_the_background_and_the_image() -> None:
    classify, images, maps, labels, background = example()
    shown = insertion(classify, images, maps, labels, background, steps=6)
    hidden = deletion(classify, images, maps, labels, background, steps=6)
    torch.testing.assert_close(shown[:, [0, -1]], hidden[:, [-1, 0]])
    assert (shown[:, 0] - shown[:, -1]).abs().min() > 1e-3


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_batches_are_bounded_and_change_nothing(batch_size: int) -> None:
    images, target, labels = white(3)
    maps = target * torch.tensor([1.0, -1.0, 0.0])[:, None, None]
    classify = Share()
    curve = insertion(classify, images, maps, labels, torch.zeros_like(images), steps=8, batch_size=batch_size)
    assert max(classify.batches) == min(batch_size, 27)
    assert sum(classify.batches) == 27
    torch.testing.assert_close(
        curve, insertion(Share(), images, maps, labels, torch.zeros_like(images), steps=8), rtol=0, atol=0
    )


@pytest.mark.parametrize(("metric", "function", "worst"), BOTH)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_nan_is_the_worst_curve_and_is_counted(metric, function, worst: float, value: float) -> None:
    classify, images, maps, labels, background = example()
    good = function(classify, images, maps, labels, background)
    maps[2, 0, 0] = value
    curve = function(classify, images, maps, labels, background)
    assert curve[2].tolist() == [worst] * 17
    assert torch.equal(curve[[0, 1, 3, 4]], good[[0, 1, 3, 4]])
    state = metric()
    state.update(classify, images, maps, labels, background)
    assert state.compute().item() == pytest.approx(curve_auc(curve).mean().item())
    assert (state.nan_count.item(), state.count.item()) == (1, 5)


@pytest.mark.parametrize(("metric", "function", "worst"), BOTH)
def test_an_answer_of_nan_is_the_worst_curve(metric, function, worst: float) -> None:
    images, target, labels = white(2)
    images[1] = torch.nan
    data = (images, target, labels, torch.zeros_like(images))
    assert function(Share(), *data)[1].tolist() == [worst] * 17
    state = metric()
    state.update(Share(), *data)
    assert (state.nan_count.item(), state.count.item()) == (1, 2)


@pytest.mark.parametrize(("metric", "function", "worst"), BOTH)
def test_the_mean_does_not_depend_on_how_images_are_spread(metric, function, worst: float) -> None:
    classify, images, maps, labels, background = example()
    maps[4] = torch.nan
    whole, first, second = metric(steps=7), metric(steps=7), metric(steps=7)
    whole.update(classify, images, maps, labels, background)
    first.update(classify, images[:2], maps[:2], labels[:2], background[:2])
    second.update(classify, images[2:], maps[2:], labels[2:], background[2:])
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), whole.compute())
    torch.testing.assert_close(first.means(), function(classify, images, maps, labels, background, steps=7).mean(0))
    assert first.nan_count == whole.nan_count == 1
    assert whole.higher_is_better is (worst == 0)


def test_bad_input() -> None:
    images, target, labels = white()
    black = torch.zeros_like(images)
    for message, call in {
        "steps=0": lambda: insertion(Share(), images, target, labels, black, steps=0),
        "steps=17": lambda: deletion(Share(), images, target, labels, black, steps=17),
        "batch_size=0": lambda: insertion(Share(), images, target, labels, black, batch_size=0),
        "labels: an image has none": lambda: insertion(Share(), images, target, labels * 0, black),
        "maps has shape": lambda: insertion(Share(), images, target[:, :3], labels, black),
        "background has shape": lambda: insertion(Share(), images, target, labels, black[:, :1]),
        "maps is torch.int64": lambda: insertion(Share(), images, target.long(), labels, black),
        "not logits": lambda: insertion(lambda batch: 2 * Share()(batch), images, target, labels, black),
        "curve has shape": lambda: curve_auc(torch.ones(2, 1)),
    }.items():
        with pytest.raises(InputError, match=message):
            call()
