from __future__ import annotations

import torch
from torch import Tensor

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.images.preprocessing import Preprocessing
from explanans.objectives.guided import Guided
from explanans.objectives.montages import montage_labels, montage_targets, montages

# Of four pictures: a; a and b; b; nothing.
LABELS = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]])


def cells(maps: Tensor) -> list[Tensor]:
    """The four corners of (4, 4) maps, row by row."""
    return [maps[..., :2, :2], maps[..., :2, 2:], maps[..., 2:, :2], maps[..., 2:, 2:]]


def test_a_montage_has_its_pictures_row_by_row() -> None:
    pictures = torch.arange(4.0)[:, None, None, None].expand(4, 3, 6, 4)
    (whole,) = montages(pictures)
    assert whole.shape == (3, 6, 4)
    assert whole[0, :, 0].tolist() == [0, 0, 0, 2, 2, 2]
    assert whole[0, :, 3].tolist() == [1, 1, 1, 3, 3, 3]


def test_what_is_left_over_is_in_no_montage() -> None:
    assert len(montages(torch.zeros(3, 3, 4, 4))) == 0
    assert len(montages(torch.zeros(11, 3, 4, 4))) == 2


def test_pictures_are_shrunk_by_averaging() -> None:
    pictures = torch.tensor([[0.0, 1], [0, 1]]).repeat(4, 3, 2, 2)
    torch.testing.assert_close(montages(pictures)[0], torch.full((3, 4, 4), 0.5))


def test_sides_that_are_odd_are_filled() -> None:
    torch.testing.assert_close(montages(torch.ones(4, 3, 5, 7)), torch.ones(1, 3, 5, 7))


def test_a_montage_has_the_labels_of_its_cells() -> None:
    labels = torch.cat([LABELS, LABELS.flip(1), LABELS[:1]])
    assert montage_labels(labels).tolist() == [[1, 1, 0], [0, 1, 1]]


def test_a_class_follows_its_cells_and_leaves_the_others() -> None:
    targets = torch.tensor([0.9, 0.8, 0.7, 0.6])[:, None, None].expand(4, 4, 4)
    montage, column, target, counted = montage_targets(targets, torch.ones(4, 4, 4), torch.tensor([0, 1, 1, 2]), LABELS)
    # The picture without a label has no class to follow.
    assert montage.tolist() == [0, 0, 0]
    assert column.tolist() == [0, 1, 1]
    # a: its own cell; the second has it as well, and b was drawn there, so nothing is known; it is not in the others.
    assert [float(each.mean()) for each in cells(counted[0])] == [1, 0, 1, 1]
    torch.testing.assert_close(torch.stack([each.mean() for each in cells(target[0])]), torch.tensor([0.9, 0, 0, 0]))
    # b: not in the first cell, drawn for the next two.
    for pair in (1, 2):
        assert [float(each.mean()) for each in cells(counted[pair])] == [1, 1, 1, 1]
        corners = torch.stack([each.mean() for each in cells(target[pair])])
        torch.testing.assert_close(corners, torch.tensor([0, 0.8, 0.7, 0]))


def test_what_a_guide_does_not_know_counts_for_nothing() -> None:
    # The left half of each picture is not trusted, whatever stands there.
    trusted = torch.tensor([0.0, 0, 1, 1]).expand(4, 4, 4)
    targets = torch.tensor([1.0, 1, 0.5, 0.5]).expand(4, 4, 4)
    _, _, target, counted = montage_targets(targets, trusted, torch.tensor([0, 0, 1, 0]), LABELS)
    assert cells(counted[0])[0].tolist() == [[0, 1], [0, 1]]
    assert cells(target[0])[0].tolist() == [[0, 0.5], [0, 0.5]]
    # Where the class is not there no guide is asked.
    assert cells(counted[0])[2].tolist() == [[1, 1], [1, 1]]


def test_montages_without_any_label_teach_nothing() -> None:
    montage, column, target, counted = montage_targets(
        torch.ones(4, 4, 4), torch.ones(4, 4, 4), torch.zeros(4, dtype=torch.long), torch.zeros(4, 3)
    )
    assert len(montage) == len(column) == len(target) == len(counted) == 0


def guided(classifier: Explanandum, logits: Tensor, **settings: object) -> dict[str, Tensor]:
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return Guided(**settings)(logits, images, LABELS, classifier, 0.0, torch.Generator().manual_seed(0))


def classifier() -> Explanandum:
    torch.manual_seed(0)
    preprocessing = Preprocessing(32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return Explanandum(SmallResNet(3), classes=("a", "b", "c"), activation="sigmoid", preprocessing=preprocessing)


def test_the_objective_learns_from_montages() -> None:
    images = torch.zeros(9, 3, 32, 32)
    assert Guided().shown(images).shape == (11, 3, 32, 32)
    assert Guided(montage_weight=0).shown(images) is images
    logits = torch.zeros(5, 3, 8, 8, requires_grad=True)
    terms = guided(classifier(), logits)
    (gradient,) = torch.autograd.grad(terms["montages"], logits)
    # Only the montage, and there the mask of a is pushed down in the cells that have no a.
    assert not gradient[:4].any()
    assert (gradient[4, 0, 4:, :] > 0).all()
    assert not gradient[4, 2].any()
    # c is in none of the cells.
    (absent,) = torch.autograd.grad(guided(classifier(), logits)["absent"], logits)
    assert (absent[4, 2] > 0).all()
    assert not absent[4, :2].any()


def test_without_montages_there_is_no_term() -> None:
    assert "montages" not in guided(classifier(), torch.zeros(4, 3, 8, 8))
