"""Maps cut by asking the classifier, worked out by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.cut import AREAS, LEVELS, choose, choose_cuts, contrast, rescaled, thresholds
from explanans.images.preprocessing import Preprocessing
from explanans.ops.band_contrast import contrasts_at

QUARTERS = (0.25, 0.5, 0.75)


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


def asked_of(explanandum: Explanandum, images: Tensor, maps: Tensor, asked: Tensor, **options: object) -> Tensor:
    options = {"levels": (), **options}
    return choose_cuts(explanandum, images, maps, asked, explanandum.probabilities(images), fill="black", **options)


def test_the_cut_lies_around_what_the_classifier_needs() -> None:
    # Red are the upper two rows, 8 of 16 pixels, of which 7 are needed: a quarter is too few, three quarters waste.
    images = torch.zeros(1, 3, 4, 4)
    images[0, 0, :2] = 1
    maps = torch.arange(16.0).flip(0).view(1, 4, 4)
    explanandum = classifier()
    masks = asked_of(explanandum, images, maps, torch.tensor([[True, False]]), areas=QUARTERS, batch_size=4)
    # Three cuts, kept and removed.
    assert explanandum.module.sizes[-2:] == [4, 2]
    assert (masks[0] >= 0.5).tolist() == [[True] * 4] * 2 + [[False] * 4] * 2
    # The cut's own value becomes 0.5, the lowest 0, the highest 1, and no order is turned round.
    assert masks[0].flatten()[[15, 7, 0]].tolist() == [0, 0.5, 1]
    assert masks[0].flatten().diff().max() <= 0


@pytest.mark.parametrize(("red_rows", "expected"), [(2, 2), (4, 3)])
def test_the_classifier_decides_between_two_steps_of_a_map(red_rows: int, expected: int) -> None:
    # Two rows of 1, one of 0.6: alone the map falls most steeply below the third. Of 8 red pixels 7 are needed, so two
    # rows are the class. Of 16, two rows may go and the class is still there; without three it is not.
    images = torch.zeros(1, 3, 4, 4)
    images[0, 0, :red_rows] = 1
    maps = torch.tensor([1.0, 1, 0.6, 0]).view(1, 4, 1).expand(1, 4, 4)
    contrasts, _ = contrast(maps, thresholds(maps, (0.5, 0.75)))
    assert contrasts[0].tolist() == pytest.approx([0.25 * 0.49 / 0.1675, 0.1875 * (2.6 / 3) ** 2 / 0.1675])
    masks = asked_of(classifier(), images, maps, torch.tensor([[True, False]]), areas=(0.5, 0.75))
    assert (masks[0] >= 0.5).tolist() == [[True] * 4] * expected + [[False] * 4] * (4 - expected)


def test_a_class_that_nothing_keeps_is_cut_where_the_map_falls() -> None:
    images = torch.zeros(1, 3, 4, 4)
    maps = torch.zeros(1, 4, 4)
    maps[0, 1:3, 1:3] = 1
    maps += torch.arange(16.0).view(1, 4, 4) / 100
    masks = asked_of(classifier(), images, maps, torch.tensor([[False, True]]), areas=QUARTERS)
    assert (masks[0] >= 0.5).nonzero().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_pairs_stand_in_the_order_of_what_is_asked_and_batches_change_nothing() -> None:
    images = torch.zeros(2, 3, 4, 4)
    images[0, 0, :2], images[0, 2, 2:], images[1, 2, :, :2] = 1, 1, 1
    left = torch.arange(16.0).view(4, 4).T.flip(1)
    maps = torch.stack([torch.arange(16.0).flip(0).view(4, 4), torch.arange(16.0).view(4, 4), left.flip(1).flip(1)])
    asked = torch.tensor([[True, True], [False, True]])
    masks = asked_of(classifier(), images, maps, asked, areas=QUARTERS)
    expected = torch.stack([images[0, 0], images[0, 2], images[1, 2]]) == 1
    assert torch.equal(masks >= 0.5, expected)
    for size in (1, 5, 100):
        assert torch.equal(asked_of(classifier(), images, maps, asked, areas=QUARTERS, batch_size=size), masks)
    alone = asked_of(classifier(), images[1:], maps[2:], asked[1:], areas=QUARTERS)
    assert torch.equal(alone, masks[2:])


def test_many_maps_are_cut_as_each_of_them() -> None:
    images = torch.zeros(70, 3, 4, 4)
    images[:, 0, :2] = 1
    maps = torch.rand(70, 4, 4, generator=torch.Generator().manual_seed(0))
    asked = torch.tensor([[True, False]]).expand(70, 2)
    masks = asked_of(classifier(), images, maps, asked)
    each = [asked_of(classifier(), images[:1], map_[None], asked[:1]) for map_ in maps]
    torch.testing.assert_close(masks, torch.cat(each))
    assert torch.equal(masks >= 0.5, torch.cat(each) >= 0.5)


def test_nothing_asked_and_maps_that_say_nothing() -> None:
    images = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    none = torch.zeros(1, 2, dtype=torch.bool)
    assert asked_of(classifier(), images, torch.zeros(0, 4, 4), none).shape == (0, 4, 4)
    both = torch.ones(1, 2, dtype=torch.bool)
    maps = torch.stack([torch.full((4, 4), 0.7), torch.full((4, 4), torch.nan)])
    masks = asked_of(classifier(), images, maps, both)
    assert (masks[0] == 0).all()
    assert masks[1].isnan().all()


def test_a_thing_smaller_than_every_area_is_cut_at_a_level() -> None:
    """Half a map's height is the thing, two of 64 pixels, where the smallest area would take sixteen."""
    images = torch.zeros(1, 3, 8, 8)
    images[0, 0, 3, 3:5] = 4
    maps = 0.3 * torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
    maps[0, 3, 3:5] = torch.tensor([0.9, 1.0])
    asked = torch.tensor([[True, False]])
    by_area = asked_of(classifier(), images, maps, asked, areas=(0.25,))
    assert (by_area >= 0.5).sum() == 16
    either = asked_of(classifier(), images, maps, asked, areas=(0.25,), levels=(0.5, 0.95))
    assert (either[0] >= 0.5).nonzero().tolist() == [[3, 3], [3, 4]]


def test_the_score_by_hand() -> None:
    # max(k − r, 0) (1 − √a) + edges + η / 10, over a whole of 0.5: 0 + 0.05, 0.8 · 0.4 + 0.07, 1 · 0.2 + 0.04.
    contrasts, shares = torch.tensor([[0.5, 0.7, 0.4]]), torch.tensor([[0.04, 0.36, 0.64]])
    kept, removed, whole = torch.tensor([[0.2, 0.9, 0.5]]), torch.tensor([[0.6, 0.1, 0.0]]), torch.tensor([0.5])
    flat = torch.zeros_like(contrasts)
    assert choose(contrasts, flat, shares, kept, removed, whole).item() == 1
    # What the picture says decides from 0.34 on for the first: 0.05 + 0.35 is ahead of 0.39.
    assert choose(contrasts, torch.tensor([[0.33, 0, 0]]), shares, kept, removed, whole).item() == 1
    assert choose(contrasts, torch.tensor([[0.35, 0, 0]]), shares, kept, removed, whole).item() == 0
    # What is removed keeps a little more: 0.4 · 0.4 + 0.07 is behind 0.24. What is kept above the whole counts as 1.
    assert choose(contrasts, flat, shares, kept, torch.tensor([[0.6, 0.3, 0.0]]), whole).item() == 2
    # More removed than kept is no less than nothing: the map decides, 0.05 against 0.07.
    two = [contrasts[:, :2], flat[:, :2], shares[:, :2]]
    assert choose(*two, kept[:, :2] * 0, removed[:, :2], whole).item() == 1
    assert choose(contrasts, flat, shares, torch.tensor([[0.2, torch.nan, 0.5]]), removed, whole).item() == 2
    assert choose(contrasts, flat, shares, kept * torch.nan, removed, whole).item() == 0
    # A class of probability 0 is decided by the map; of equal cuts the first is taken.
    assert choose(contrasts, flat, shares, kept * 0, removed * 0, torch.zeros(1)).item() == 1
    assert choose(contrasts * 0, flat, shares, kept * 0, removed * 0, whole).item() == 0


def test_a_class_that_nothing_keeps_is_cut_where_the_picture_changes() -> None:
    """The map falls below its first two columns, the picture's colours change after its third; each picture its own."""
    maps = torch.tensor([1.0, 0.9, 0.5, 0.4, 0.1, 0.0]).expand(2, 6, 6)
    images = torch.zeros(2, 3, 6, 6)
    images[0, :, :, 3:] = 0.2
    images[1, :, :, 4:] = 0.2
    cuts = thresholds(maps, (2 / 6, 3 / 6, 4 / 6))
    found = contrasts_at(images, torch.tensor([1, 0]), maps, cuts)
    assert found.argmax(1).tolist() == [2, 1]
    assert found.max(1).values.tolist() == pytest.approx([1, 1])
    asked = torch.tensor([[False, True]] * 2)
    masks = asked_of(classifier(), images, maps, asked, areas=(2 / 6, 3 / 6, 4 / 6))
    assert (masks >= 0.5).sum((1, 2)).tolist() == [18, 24]


def test_contrast_by_hand() -> None:
    # Mean 1.5, variance 2.75; above 2 lie 3 and 4: w = 1/4, means 3.5 and 5/6.
    maps = torch.tensor([4.0, 3, 1, 1, 1, 1, 1, 0]).view(1, 2, 4)
    contrasts, shares = contrast(maps, torch.tensor([[3.0, 1.0, torch.inf]]))
    assert shares[0].tolist() == [0.25, 0.875, 0]
    assert contrasts[0].tolist() == pytest.approx([3 / 16 * (3.5 - 5 / 6) ** 2 / 1.5, 7 / 64 * (12 / 7) ** 2 / 1.5, 0])
    two = torch.tensor([0.0, 0, 5, 5]).view(1, 2, 2)
    assert contrast(two, torch.tensor([[5.0]]))[0].item() == pytest.approx(1)


def test_equal_values_are_cut_together_and_zeros_never() -> None:
    maps = torch.tensor([[3.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]]).view(1, 2, 4)
    assert thresholds(maps, (0.125, 0.25, 0.5, 0.9)).tolist() == [[3, 2, 2, 2]]
    assert thresholds(torch.zeros(1, 2, 2), (0.25, 0.5), (0.5,)).tolist() == [[torch.inf] * 3]


def test_levels_lie_between_the_lowest_and_the_highest_value() -> None:
    maps = torch.tensor([[-2.0, -1.0, 0.0, 2.0], [0.0, 0.0, 0.0, 8.0]]).view(2, 2, 2)
    # Nothing is cut below the lowest value but one: −1 for −1.6, 8 for 4 and 0.8.
    assert thresholds(maps, (0.25,), (0.5, 0.1)).tolist() == [[2, 0, -1], [8, 8, 8]]


def test_rescaled_by_hand() -> None:
    maps = torch.tensor([-1.0, 0.0, 1.0, 3.0]).view(1, 2, 2)
    assert rescaled(maps, torch.tensor([1.0]), 1).flatten().tolist() == pytest.approx([0, 0.25, 0.5, 1])
    assert rescaled(maps, torch.tensor([3.0]), 1).flatten().tolist() == pytest.approx([0, 0.125, 0.25, 1])
    # 0.25² / (0.25² + 0.75²).
    assert rescaled(maps, torch.tensor([1.0]), 2).flatten().tolist() == pytest.approx([0, 0.1, 0.5, 1])
    flat = torch.full((1, 2, 2), 0.7)
    assert rescaled(flat, torch.tensor([torch.inf])).tolist() == torch.zeros(1, 2, 2).tolist()
    assert rescaled(torch.full((1, 2, 2), torch.nan), torch.tensor([torch.nan])).isnan().all()


def test_rounding_lifts_no_pixel_over_the_cut() -> None:
    maps = torch.rand(50, 8, 8, generator=torch.Generator().manual_seed(0)) * 1e-6 + 7
    cuts = thresholds(maps, (0.3,))[:, 0]
    assert ((rescaled(maps, cuts) >= 0.5) == (maps >= cuts[:, None, None])).all()


def test_what_is_tried_rises() -> None:
    for tried in (AREAS, LEVELS):
        assert all(0 < small < large < 1 for small, large in pairwise(tried))
