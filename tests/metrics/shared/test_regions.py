from __future__ import annotations

import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import class_regions, label_region
from explanans.metrics.shared.regions import renumbered


def test_union_of_the_labels_without_void() -> None:
    segmentation = torch.tensor([[[0, 1, 2], [3, 255, 1]], [[0, 1, 2], [3, 255, 1]]], dtype=torch.uint8)
    labels = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    target, valid = label_region(segmentation, labels)
    assert target.tolist() == [
        [[False, True, False], [True, False, True]],
        [[False, False, True], [False, False, False]],
    ]
    assert valid[0].tolist() == [[True, True, True], [True, False, True]]


def test_bad_input() -> None:
    segmentation = torch.zeros(2, 3, 3, dtype=torch.uint8)
    with pytest.raises(InputError, match="uint8"):
        label_region(segmentation.long(), torch.ones(2, 4))
    with pytest.raises(InputError, match="labels have shape"):
        label_region(segmentation, torch.ones(3, 4))
    with pytest.raises(
        InputError, match=r"the number 5; .* at most 4 with these labels, and void as 255 in torch\.uint8"
    ):
        label_region(segmentation + 5, torch.ones(2, 4))
    with pytest.raises(InputError, match=r"the number 255; .* void as 65535 in torch\.int32"):
        label_region(segmentation.int() + 255, torch.ones(2, 4))
    with pytest.raises(InputError, match="the number -1"):
        class_regions(segmentation.int() - 1, torch.ones(2, 4))
    with pytest.raises(InputError, match="give \\(N, H, W\\)"):
        label_region(segmentation[0], torch.ones(2, 4))


def test_of_a_thousand_classes_255_and_300_are_no_void() -> None:
    segmentation = torch.tensor([[[0, 255, 300, 65535, 44]]], dtype=torch.int32)
    labels = torch.zeros(1, 1000)
    labels[0, [254, 299]] = 1
    target, valid = label_region(segmentation, labels)
    assert target.tolist() == [[[False, True, True, False, False]]]
    assert valid.tolist() == [[[True, True, True, False, True]]]
    each, valid = class_regions(segmentation, labels)
    assert each.tolist() == [[[False, True, False, False, False]], [[False, False, True, False, False]]]
    assert valid.tolist() == [[[True, True, True, False, True]]] * 2


def test_8_bits_beside_a_thousand_labels() -> None:
    # Class 299 has the number 300, which is 44 in 8 bits; class 254 has 255, which is void there.
    segmentation = torch.tensor([[[0, 44, 254, 255]]], dtype=torch.uint8)
    labels = torch.zeros(1, 1000)
    labels[0, [253, 254, 299]] = 1
    each, valid = class_regions(segmentation, labels)
    assert each.tolist() == [[[False, False, True, False]], [[False] * 4], [[False] * 4]]
    assert label_region(segmentation, labels)[0].tolist() == [[[False, False, True, False]]]
    assert valid[0].tolist() == [[True, True, True, False]]


def test_numbers_of_some_columns() -> None:
    segmentation = torch.tensor([[[0, 255, 300, 65535, 44]]], dtype=torch.int32)
    assert renumbered(segmentation, torch.tensor([43, 299]), 1000).tolist() == [[[0, 0, 2, 65535, 1]]]
    assert renumbered(torch.tensor([[[1, 3, 255]]], dtype=torch.uint8), torch.tensor([2]), 4).tolist() == [
        [[0, 1, 255]]
    ]
