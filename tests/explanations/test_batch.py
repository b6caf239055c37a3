"""The pipeline of all: probabilities, masks and receipts of a batch, and what becomes of an image that gives NaN."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.batch import Draw, Masker, Settings, explain_batch
from explanans.explanations.selection import Selection
from explanans.images.preprocessing import Preprocessing


class Corner(nn.Module):
    """Logits: 4 · the mean of a channel; NaN where the mean over an image is above 1.5."""

    def forward(self, images: Tensor) -> Tensor:
        means = images.mean((2, 3))
        return torch.where((means > 1.5).any(1, keepdim=True), torch.nan, 4 * means)


class LeftHalf(Masker):
    """Masks that are 1 on the left; NaN for an image whose first pixel is 1.25, and asked for nothing else."""

    def __init__(self) -> None:
        super().__init__()
        preprocessing = Preprocessing(4, (0.5,) * 3, (0.5,) * 3)
        self.explanandum = Explanandum(
            Corner(), classes=["a", "b", "c"], activation="sigmoid", preprocessing=preprocessing
        )
        self.drawn: list[int] = []

    def look(self, images: Tensor) -> tuple[Tensor, Draw]:
        def draw(asked: Tensor) -> Tensor:
            masks = torch.zeros(int(asked.sum()), 4, 4)
            masks[:, :, :2] = 1
            masks[images[asked.nonzero()[:, 0], 0, 0, 0] == 1.25] = torch.nan
            self.drawn.append(len(masks))
            return masks

        return self.explanandum.probabilities(images), draw

    def identity(self) -> dict[str, Any]:
        return {"masker": "left", "classifier": self.explanandum.identity()}

    def made_by(self) -> dict[str, Any]:
        return {}


def image(*channels: float) -> Tensor:
    return torch.tensor(channels, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 4, 4)


def test_a_batch_by_hand() -> None:
    masker = LeftHalf()
    found = explain_batch(masker, torch.cat([image(1, -1, 0), image(-1, -1, -1)]), Settings(fills="mean"))
    assert found.failures == ["", ""]
    assert found.asked.tolist() == [[True, False, True], [False, False, False]]
    assert masker.drawn == [2]
    assert found.masks.shape == (2, 4, 4)
    # What the left half keeps is half of the mean of the whole: a logit of 2 instead of 4.
    assert [receipt.kept for receipt in found.receipts if receipt] == pytest.approx([1 / (1 + math.exp(-2)), 0.5])
    assert [receipt.area for receipt in found.receipts if receipt] == [0.5, 0.5]


def test_an_image_that_gives_nan_fails_and_the_rest_goes_on() -> None:
    masker = LeftHalf()
    odd = image(1, 1, 1).clone()
    odd[0, 0, 0, 0] = 1.25
    images = torch.cat([image(2, 0, 0), odd, image(1, -1, -1)])
    found = explain_batch(masker, images, Settings(Selection(threshold=0.6)))
    assert [failure.split(" are NaN")[0] for failure in found.failures] == [
        "the classifier's probabilities",
        "the masks",
        "",
    ]
    assert found.asked.tolist() == [[False] * 3, [False] * 3, [True, False, False]]
    assert found.masks.shape == (1, 4, 4)
    assert len(found.receipts) == 1


def test_nan_behind_a_mask_fails_the_image_too() -> None:
    # Whole: (−1 + 2) / 2 on average; kept is (−1 + 0) / 2, removed (0 + 4) / 2, above the classifier's 1.5.
    half = image(0, 0, 0).clone()
    half[0, 0, :, :2], half[0, 0, :, 2:] = -1, 4
    assert half[0, 0].mean() == 1.5
    found = explain_batch(LeftHalf(), torch.cat([half, image(1, -1, -1)]), Settings(fills="mean"), torch.tensor(
        [[True, False, False], [True, False, False]]
    ))  # fmt: skip
    assert found.failures[0].startswith("the classifier's probabilities on a masked image are NaN")
    assert found.failures[1] == ""
    assert found.asked.sum() == len(found.masks) == len(found.receipts) == 1
    assert found.receipts[0] is not None
    assert found.receipts[0].whole == pytest.approx(float(torch.tensor(4.0).sigmoid()))
