from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from explanans.classifiers.sources.shared.reductions import score_of_boxes, score_of_pixels
from explanans.errors import InputError

FOUND = [
    {"boxes": torch.zeros(4, 4), "scores": torch.tensor([0.5, 0.9, 0.5, 0.8]), "labels": torch.tensor([1, 2, 1, 0])},
    {"boxes": np.zeros((0, 4)), "scores": np.zeros(0), "labels": np.zeros(0, int)},
    {"boxes": [[0, 0, 1, 1]], "scores": [0.25], "labels": [1]},
]


def column(label: int) -> int | None:
    return None if label == 0 else label - 1


def test_the_surest_box_speaks_for_its_class() -> None:
    expected = [[0.5, 0.9, 0.0], [0.0, 0.0, 0.0], [0.25, 0.0, 0.0]]
    torch.testing.assert_close(score_of_boxes(FOUND, column, 3, "max"), torch.tensor(expected))


def test_two_boxes_at_a_half_are_one_at_three_quarters() -> None:
    expected = [[0.75, 0.9, 0.0], [0.0, 0.0, 0.0], [0.25, 0.0, 0.0]]
    torch.testing.assert_close(score_of_boxes(FOUND, column, 3, "noisy_or"), torch.tensor(expected))


def test_pixels() -> None:
    scores = torch.tensor([[[[0.0, 0.5], [1.0, 0.5]], [[0.1, 0.1], [0.1, 0.3]]]])
    torch.testing.assert_close(score_of_pixels(scores, "max"), torch.tensor([[1.0, 0.3]]))
    torch.testing.assert_close(score_of_pixels(scores, "mean"), torch.tensor([[0.5, 0.15]]))


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ([{"scores": [0.5]}], r"returned \['scores'\] for a picture; expected a mapping with 'boxes'"),
        ([[0.5]], "returned list for a picture"),
        ([{"scores": [0.5, 0.6], "labels": [1]}], "2 scores and 1 labels"),
        ([{"scores": [1.5], "labels": [1]}], "the score 1.5; expected probabilities"),
        ([{"scores": [float("nan")], "labels": [1]}], "the score nan"),
    ],
)
@pytest.mark.bad_input
def test_what_is_no_answer(found: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        score_of_boxes(found, column, 3, "max")


@pytest.mark.bad_input
def test_reductions_that_mean_nothing() -> None:
    with pytest.raises(InputError, match="'mean' is for pixels"):
        score_of_boxes(FOUND, column, 3, "mean")
    with pytest.raises(InputError, match="'noisy_or' is for boxes"):
        score_of_pixels(torch.rand(1, 2, 3, 3), "noisy_or")
