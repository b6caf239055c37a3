from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.ops.contest import KEEP, MARGIN, MOST, contested

BOTH = torch.tensor([[0.9, 0.8]])


def strip(*values: float) -> Tensor:
    """Mask logits (1, 1, 1, w)."""
    return torch.tensor(values).view(1, 1, 1, -1)


def rider_and_horse() -> Tensor:
    """The rider's mask covers the horse too, and less surely so; the horse's a part of the rider."""
    return torch.cat([strip(4, 3, 1, 1, -3), strip(-3, 1, 3, 4, -3)], 1)


def test_each_place_goes_to_the_louder_class() -> None:
    rider, horse = contested(rider_and_horse(), BOTH)[0, :, 0]
    # E_c − E_k + ¼ where that is less: of the rider 4 + 3, 3 − 1, 1 − 3, 1 − 4 and −3 + 3, each + ¼.
    assert rider.tolist() == pytest.approx([4, 2.25, -1.75, -2.75, -3])
    assert horse.tolist() == pytest.approx([-6.75, -1.75, 2.25, 3.25, -3])


def test_a_scale_multiplies_the_margin() -> None:
    found = contested(4 * rider_and_horse(), BOTH, 4.0)
    torch.testing.assert_close(found, 4 * contested(rider_and_horse(), BOTH))


@pytest.mark.parametrize("probabilities", [[0.9, 0.69], [0.69, 0.9], [0.3, 0.3]])
def test_only_classes_that_the_classifier_is_sure_of_compete(probabilities: list[float]) -> None:
    logits = rider_and_horse()
    assert contested(logits, torch.tensor([probabilities])) is logits
    third = torch.cat([logits, strip(9, 9, 9, 9, 9)], 1)
    found = contested(third, torch.tensor([[0.9, 0.7, 0.69]]))
    torch.testing.assert_close(found[:, :2], contested(logits, BOTH))
    assert torch.equal(found[:, 2], third[:, 2])


def test_classes_that_say_the_same_keep_their_places() -> None:
    """An animal that is a dog: what one says more or less than the other is noise."""
    dog = torch.linspace(-3, 3, 12).view(1, 1, 3, 4)
    noise = MARGIN * torch.tensor([1.0, -1.0, 0.5]).view(1, 1, 3, 1)
    logits = torch.cat([dog, dog + noise], 1)
    assert torch.equal(contested(logits, BOTH) >= 0, logits >= 0)


def test_a_rival_that_takes_nearly_all_is_none() -> None:
    """Ten pixels inside; the rival is louder on seven, then on eight of them."""
    own = torch.full((1, 1, 1, 12), 1.0)
    own[..., 10:] = -1
    for taken, gives in ((7, True), (8, False)):
        rival = torch.full((1, 1, 1, 12), -5.0)
        rival[..., :taken] = 5
        found = contested(torch.cat([own, rival], 1), BOTH)[0, 0, 0]
        assert int((found >= 0).sum()) == (10 - taken if gives else 10)
    assert pytest.approx(0.3) == KEEP


def test_rivals_that_together_take_nearly_all_take_nothing() -> None:
    own = torch.ones(1, 1, 1, 10)
    first, second = torch.full_like(own, -5), torch.full_like(own, -5)
    first[..., :5] = 5
    second[..., 5:9] = 5
    seen = torch.tensor([[0.9, 0.9, 0.9]])
    assert torch.equal(contested(torch.cat([own, first, second], 1), seen)[:, :1], own)
    assert int((contested(torch.cat([own, first], 1), BOTH)[:, 0] >= 0).sum()) == 5


def test_an_empty_mask_stays_as_it_is() -> None:
    logits = torch.cat([strip(-1, -2, -3), strip(5, 5, -5)], 1)
    assert torch.equal(contested(logits, BOTH), logits)


def test_pictures_do_not_see_each_other_and_the_order_of_classes_is_nothing() -> None:
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4, 5, 6, 7, generator=random)
    seen = torch.rand(4, 5, generator=random)
    together = contested(logits, seen)
    assert not torch.equal(together, logits)
    for row in range(4):
        torch.testing.assert_close(together[row, None], contested(logits[row, None], seen[row, None]))
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(contested(logits[:, order], seen[:, order]), together[:, order])


def test_the_most_probable_rivals_alone_are_tried_and_a_graph_finds_the_same() -> None:
    count = MOST + 2
    logits = torch.full((1, count, 1, 40), -5.0)
    logits[:, -1] = 1
    for rival in range(count - 1):
        logits[:, rival, :, rival] = 5
    seen = torch.linspace(0.95, 0.75, count)[None]
    found = contested(logits, seen)
    # The last class is the least probable one, and loses a pixel to each of the first eight of nine.
    assert (found[0, -1, 0] < 0).nonzero().flatten().tolist() == list(range(MOST))
    torch.testing.assert_close(contested(logits, seen, ranks=MOST), found)
    few = rider_and_horse()
    torch.testing.assert_close(contested(few, BOTH, ranks=MOST), contested(few, BOTH))
    assert torch.equal(contested(few, torch.tensor([[0.9, 0.1]]), ranks=MOST), few)


def test_no_pictures() -> None:
    assert contested(torch.zeros(0, 2, 3, 3), torch.zeros(0, 2)).shape == (0, 2, 3, 3)
