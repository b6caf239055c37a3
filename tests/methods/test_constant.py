from __future__ import annotations

import pytest
import torch
from torch import nn

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.methods.constant import Constant, WholeIfSeen


@pytest.fixture
def classifier() -> Explanandum:
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    preprocessing = Preprocessing(size=8, mean=(0, 0, 0), std=(1, 1, 1))
    return Explanandum(module, classes=("a", "b"), activation="sigmoid", preprocessing=preprocessing)


def test_only_classes_asked_for(classifier: Explanandum) -> None:
    images = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    maps = Constant(classifier, 0.5)(images, torch.tensor([[1, 0], [1, 1]]))
    assert maps.shape == (2, 2, 4, 5)
    assert maps.dtype == torch.float64
    assert maps.unique().tolist() == [0.0, 0.5]
    assert maps.amax((2, 3)).tolist() == [[0.5, 0.0], [0.5, 0.5]]


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_no_mask_value(classifier: Explanandum, value: float) -> None:
    with pytest.raises(InputError, match="value"):
        Constant(classifier, value)


def test_the_whole_image_of_the_classes_that_are_seen() -> None:
    # The logits are the mean colours of the first two channels, so the classes seen are known by hand.
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False))
    module[2].weight.data = torch.tensor([[1.0, 0, 0], [0, 1, 0]])
    preprocessing = Preprocessing(size=8, mean=(0, 0, 0), std=(1, 1, 1))
    classifier = Explanandum(module, classes=("a", "b"), activation="sigmoid", preprocessing=preprocessing)
    images = torch.tensor([[2.0, -2, 0], [2, 2, 0], [-2, -2, 0]])[:, :, None, None].expand(-1, -1, 4, 5)
    maps = WholeIfSeen(classifier)(images, torch.tensor([[1, 1], [0, 1], [1, 1]]))
    assert maps.shape == (3, 2, 4, 5)
    assert maps.amin((2, 3)).tolist() == maps.amax((2, 3)).tolist() == [[1, 0], [0, 1], [0, 0]]


def test_seen_from_a_probability_on(classifier: Explanandum) -> None:
    with pytest.raises(InputError, match="threshold"):
        WholeIfSeen(classifier, threshold=1.5)
