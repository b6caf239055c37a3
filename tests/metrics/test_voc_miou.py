from __future__ import annotations

import math

import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import VocMIoU, class_counts, segment, voc_miou

SEGMENTATION = torch.tensor([[[1, 1, 2, 0], [1, 255, 2, 0]], [[0, 0, 0, 2], [0, 0, 2, 2]]], dtype=torch.uint8)


def masks() -> torch.Tensor:
    given = torch.zeros(2, 3, 2, 4)
    given[0, 0] = torch.tensor([[0.9, 0.6, 0.7, 0.1], [0.8, 0.8, 0.2, 0.1]])
    given[0, 1] = torch.tensor([[0.2, 0.7, 0.6, 0.5], [0.1, 0.9, 0.9, 0.4]])
    given[0, 2] = 1
    given[1, 1] = torch.tensor([[0.1, 0.1, 0.1, 0.8], [0.1, 0.1, 0.7, 0.3]])
    return given


LABELS = torch.tensor([[1, 1, 0], [0, 1, 0]])


def test_the_highest_label_above_the_cut_has_the_pixel() -> None:
    first = segment(masks(), LABELS)[0]
    assert first.tolist() == [[1, 2, 1, 2], [1, 2, 2, 0]]
    assert segment(masks(), LABELS, 0.65)[0].tolist() == [[1, 2, 1, 0], [1, 2, 2, 0]]
    # A tie goes to the first class, and a value on the cut counts.
    level = torch.full((1, 2, 1, 1), 0.5)
    assert segment(level, torch.tensor([[1, 1]])).item() == 1
    assert segment(level, torch.tensor([[0, 1]])).item() == 2
    assert segment(level, torch.tensor([[0, 0]]), 0.0).item() == 0


def test_counts_and_mean_by_hand() -> None:
    counts = class_counts(segment(masks(), LABELS), SEGMENTATION, 3)
    # First: background 1 of 2; class 0: 2 of 3 + 1; class 1: 1 right, 2 there, 3 found without the void one.
    assert counts[0].tolist() == [[1, 2, 1, 0], [2, 4, 4, 0]]
    # Second: background 5 and one more found; class 1: 2 of 3.
    assert counts[1].tolist() == [[5, 0, 2, 0], [6, 0, 3, 0]]
    # Class 2 is nowhere, and left out.
    assert voc_miou(counts).item() == pytest.approx((6 / 8 + 2 / 4 + 3 / 7) / 3)
    assert voc_miou(counts.sum(0)).item() == voc_miou(counts).item()


def test_a_class_that_is_only_found_counts() -> None:
    found = segment(masks(), torch.tensor([[1, 1, 1], [0, 1, 0]]))
    counts = class_counts(found, SEGMENTATION, 3)
    # The mask of class 2 covers the first image: 7 known pixels that are something else.
    assert counts[0].tolist() == [[0, 0, 0, 0], [2, 3, 2, 7]]
    assert voc_miou(counts).item() == pytest.approx((5 / 8 + 0 + 2 / 5 + 0) / 4)


def test_agrees_with_torchmetrics() -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    generator = torch.Generator().manual_seed(0)
    found, truth = torch.randint(0, 5, (2, 6, 9, 7), generator=generator)
    expected = functional.multiclass_jaccard_index(found, truth, 5, average="macro")
    torch.testing.assert_close(voc_miou(class_counts(found, truth.to(torch.uint8), 4)), expected)
    void = truth.masked_fill(torch.rand(truth.shape, generator=generator) < 0.3, 255)
    expected = functional.multiclass_jaccard_index(found, void, 5, average="macro", ignore_index=255)
    torch.testing.assert_close(voc_miou(class_counts(found, void.to(torch.uint8), 4)), expected)


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric VocMIoU")
def test_batches_processes_and_nan() -> None:
    whole, first, second = VocMIoU(3), VocMIoU(3), VocMIoU(3)
    whole.update(masks(), SEGMENTATION, LABELS)
    first.update(masks()[:1], SEGMENTATION[:1], LABELS[:1])
    second.update(masks()[1:], SEGMENTATION[1:], LABELS[1:])
    first.merge_state(second)
    assert first.compute() == whole.compute() == voc_miou(class_counts(segment(masks(), LABELS), SEGMENTATION, 3))
    assert VocMIoU(3, threshold=0.65).threshold == 0.65
    given = masks()
    given[0, 1, 0, 0] = given[1, 0, 0, 0] = math.nan
    broken = VocMIoU(3)
    broken.update(given, SEGMENTATION, LABELS)
    # The first image has nothing right; the second has its NaN in a class that is no label.
    assert broken.compute().item() == pytest.approx((5 / 8 + 0 + 2 / 5) / 3)
    assert (broken.count, broken.nan_count) == (2, 1)
    assert VocMIoU(2).compute().isnan()


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"labels \(2, 2\)"):
        segment(masks(), LABELS[:, :2])
    with pytest.raises(InputError, match=r"threshold=1\.5"):
        segment(masks(), LABELS, 1.5)
    with pytest.raises(InputError, match=r"outside \[0, 1\]"):
        segment(masks() * 2, LABELS)
    with pytest.raises(InputError, match="differ"):
        class_counts(torch.zeros(2, 2, 3).long(), SEGMENTATION, 3)
    with pytest.raises(InputError, match=r"the number 2; .* at most 1 "):
        class_counts(torch.zeros(2, 2, 4).long(), SEGMENTATION, 1)


def test_counts_of_a_thousand_classes() -> None:
    truth = torch.tensor([[[255, 255, 300, 65535, 0]]], dtype=torch.int32)
    found = torch.tensor([[[255, 300, 300, 300, 0]]])
    both, either = class_counts(found, truth, 1000)[0]
    assert {number: int(both[number]) for number in both.nonzero().flatten().tolist()} == {0: 1, 255: 1, 300: 1}
    assert {number: int(either[number]) for number in either.nonzero().flatten().tolist()} == {0: 1, 255: 2, 300: 2}
