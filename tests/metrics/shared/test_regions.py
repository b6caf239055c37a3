from __future__ import annotations

import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import label_region


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
    with pytest.raises(InputError, match="labels have shape"):
        label_region(segmentation, torch.ones(2, 255))
    with pytest.raises(InputError, match="above 4"):
        label_region(segmentation + 5, torch.ones(2, 4))
