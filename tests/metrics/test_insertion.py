from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import Deletion, Insertion, curve_auc, deletion, insertion

LABELS = torch.tensor([[1, 0]])


def first_pixel(images: Tensor) -> Tensor:
    """Class 0 is certain if the first pixel is there (1), class 1 if it is not."""
    there = images[:, 0, 0, 0]
    return torch.stack([there, 1 - there], 1)


def share(images: Tensor) -> Tensor:
    """Class 0 has the mean of the pixels."""
    mean = images.mean((1, 2, 3))
    return torch.stack([mean, 1 - mean], 1)


def test_a_map_that_finds_the_evidence_first_and_one_that_finds_it_last() -> None:
    images, nothing = torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    first = torch.tensor([[[4.0, 3.0], [2.0, 1.0]]])
    assert insertion(first_pixel, images, first, LABELS, nothing, steps=4).tolist() == [[0, 1, 1, 1, 1]]
    assert deletion(first_pixel, images, first, LABELS, nothing, steps=4).tolist() == [[1, 0, 0, 0, 0]]
    assert insertion(first_pixel, images, -first, LABELS, nothing, steps=4).tolist() == [[0, 0, 0, 0, 1]]
    assert deletion(first_pixel, images, -first, LABELS, nothing, steps=4).tolist() == [[1, 1, 1, 1, 0]]


def test_the_area_is_trapezoidal() -> None:
    torch.testing.assert_close(
        curve_auc(torch.tensor([[0.0, 1, 1, 1, 1], [1, 0, 0, 0, 0]])), torch.tensor([0.875, 0.125])
    )


@pytest.mark.parametrize("steps", [1, 3, 7, 35])
def test_equals_a_naive_loop(steps: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, 5, 7, generator=generator)
    background = torch.rand(3, 3, 5, 7, generator=generator)
    maps = (torch.rand(3, 5, 7, generator=generator) * 5).floor()
    labels = torch.tensor([[1, 0], [0, 1], [1, 1]])
    inserted = insertion(share, images, maps, labels, background, steps, batch_size=4)
    deleted = deletion(share, images, maps, labels, background, steps, batch_size=4)
    for n in range(3):
        order = sorted(range(35), key=lambda place, n=n: (-maps[n].flatten()[place].item(), place))
        for step in range(steps + 1):
            shown, hidden = background[n].clone().flatten(1), images[n].clone().flatten(1)
            first = order[: int(step * 35 / steps + 0.5)]
            shown[:, first], hidden[:, first] = images[n].flatten(1)[:, first], background[n].flatten(1)[:, first]
            for got, made in ((inserted, shown), (deleted, hidden)):
                answer = share(made.view(1, 3, 5, 7))[0]
                expected = answer[labels[n].bool()].mean()
                torch.testing.assert_close(got[n, step], expected)


def test_only_the_order_of_the_values_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    images, maps = torch.rand(1, 3, 6, 6, generator=generator), torch.rand(1, 6, 6, generator=generator)
    arguments = (LABELS, torch.zeros(1, 3, 6, 6))
    expected = insertion(share, images, maps, *arguments)
    assert torch.equal(insertion(share, images, 100 * maps.exp() - 7, *arguments), expected)


def test_no_call_is_larger_than_asked_for() -> None:
    seen: list[int] = []

    def classify(images: Tensor) -> Tensor:
        seen.append(len(images))
        return share(images)

    images = torch.rand(2, 3, 4, 4)
    insertion(classify, images, torch.rand(2, 4, 4), LABELS.expand(2, -1), torch.zeros_like(images), 16, batch_size=5)
    assert max(seen) == 5
    assert sum(seen) == 2 * 17


@pytest.mark.parametrize(("kind", "worst"), [(Insertion, 0.0), (Deletion, 1.0)])
def test_a_map_with_a_nan_has_the_worst_curve_and_is_counted(kind: type[Insertion], worst: float) -> None:
    images, maps = torch.ones(2, 3, 4, 4), torch.rand(2, 4, 4)
    maps[0, 1, 1] = torch.nan
    metric, alone = kind(steps=4), kind(steps=4)
    arguments = (LABELS.expand(2, -1), torch.zeros_like(images))
    metric.update(share, images, maps, *arguments)
    alone.update(share, images[1:], maps[1:], *(each[1:] for each in arguments))
    assert int(metric.nan_count) == 1
    torch.testing.assert_close(metric.compute(), (worst + alone.compute()) / 2)


@pytest.mark.parametrize("steps", [0, 17])
def test_a_number_of_steps_that_cannot_be_is_refused(steps: int) -> None:
    with pytest.raises(InputError, match=f"steps={steps}"):
        insertion(share, torch.ones(1, 3, 4, 4), torch.ones(1, 4, 4), LABELS, torch.zeros(1, 3, 4, 4), steps)
