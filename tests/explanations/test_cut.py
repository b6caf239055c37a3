"""Maps cut by asking the classifier, worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.cut import choose, choose_cuts, rescaled, thresholds
from explanans.images.preprocessing import Preprocessing

AREAS = (0.25, 0.5, 0.75)


class Bright(nn.Module):
    """Logits of two classes: how far the sum over red, or over blue, is above 6 of 8 bright pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        return 20 * (images[:, [0, 2]].sum((2, 3)) - 6.5)


def classifier() -> Explanandum:
    preprocessing = Preprocessing(4, (0.0,) * 3, (1.0,) * 3)
    return Explanandum(Bright(), classes=["red", "blue"], activation="sigmoid", preprocessing=preprocessing)


def test_the_smallest_area_that_keeps_the_class() -> None:
    # Red are the upper two rows, 8 of 16 pixels; 7 of them are enough, a quarter (4) is not, a half is.
    images = torch.zeros(1, 3, 4, 4)
    images[0, 0, :2] = 1
    maps = torch.arange(16.0).flip(0).view(1, 4, 4)
    explanandum = classifier()
    asked = torch.tensor([[True, False]])
    whole = explanandum.probabilities(images)
    sizes = explanandum.module.sizes
    sizes.clear()
    masks = choose_cuts(explanandum, images, maps, asked, whole, areas=AREAS, fill="black", batch_size=2)
    assert sizes == [2, 1]
    assert (masks[0] >= 0.5).tolist() == [[True] * 4] * 2 + [[False] * 4] * 2
    # The order of the pixels stays; the cut's own value is 8, which becomes 0.5, the lowest is 0, the highest 1.
    assert masks[0].flatten()[7] == 0.5
    assert masks[0].flatten()[15] == 0
    assert masks[0].flatten()[0] == 1
    assert masks[0].flatten().diff().max() < 0


def test_pairs_stand_in_the_order_of_what_is_asked() -> None:
    images = torch.zeros(2, 3, 4, 4)
    images[0, 0], images[0, 2, 2:], images[1, 2, :, :2] = 1, 1, 1
    maps = torch.stack([torch.arange(16.0), torch.arange(16.0), torch.arange(16.0).view(4, 4).T.flatten().flip(0)])
    asked = torch.tensor([[True, True], [False, True]])
    explanandum = classifier()
    whole = explanandum.probabilities(images)
    masks = choose_cuts(explanandum, images, maps.view(3, 4, 4), asked, whole, areas=AREAS, fill="black")
    # All red is kept by any eight pixels, the lower half of blue and the left half of blue by theirs.
    assert [(mask >= 0.5).sum().item() for mask in masks] == [8, 8, 8]
    assert (masks[1] >= 0.5)[2:].all()
    assert (masks[2] >= 0.5)[:, :2].all()


def test_where_no_area_keeps_it_the_best_counts() -> None:
    answers = torch.tensor([[0.1, 0.3, 0.2], [0.1, 0.85, 0.9], [torch.nan, 0.2, 0.1]])
    assert choose(answers, torch.tensor([1.0, 1.0, 1.0]), 0.8).tolist() == [1, 1, 1]


def test_equal_values_are_cut_together_and_zeros_never() -> None:
    maps = torch.tensor([[3.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]]).view(1, 2, 4)
    assert thresholds(maps, (0.125, 0.25, 0.5, 0.9)).tolist() == [[3, 2, 2, 2]]
    assert thresholds(torch.zeros(1, 2, 2), (0.25, 0.5)).tolist() == [[torch.inf, torch.inf]]


def test_rescaled_by_hand() -> None:
    maps = torch.tensor([-1.0, 0.0, 1.0, 3.0]).view(1, 2, 2)
    assert rescaled(maps, torch.tensor([1.0])).flatten().tolist() == pytest.approx([0, 0.25, 0.5, 1])
    assert rescaled(maps, torch.tensor([3.0])).flatten().tolist() == pytest.approx([0, 0.125, 0.25, 1])
    flat = torch.full((1, 2, 2), 0.7)
    assert rescaled(flat, torch.tensor([torch.inf])).tolist() == torch.zeros(1, 2, 2).tolist()
    assert rescaled(torch.full((1, 2, 2), torch.nan), torch.tensor([torch.nan])).isnan().all()


def test_rounding_lifts_no_pixel_over_the_cut() -> None:
    maps = torch.rand(50, 8, 8, generator=torch.Generator().manual_seed(0)) * 1e-6 + 7
    cuts = thresholds(maps, (0.3,))[:, 0]
    assert ((rescaled(maps, cuts) >= 0.5) == (maps >= cuts[:, None, None])).all()
