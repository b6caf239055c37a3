from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import TolerantF1, tolerant_f1, tolerant_scores


def line(row: int, first: int = 2, last: int = 18) -> Tensor:
    """A horizontal line a pixel thick in a picture of 20 × 20."""
    region = torch.zeros(1, 20, 20, dtype=torch.bool)
    region[0, row, first:last] = True
    return region


@pytest.mark.parametrize(("apart", "f1"), [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.0)])
def test_a_line_beside_a_line(apart: int, f1: float) -> None:
    assert tolerant_f1(line(5 + apart).float(), line(5)).item() == f1


def test_by_hand() -> None:
    # Of 8 pixels of the mask the first six lie within two rows and columns of a disc around the last of the object's.
    found, truth = line(5, 10, 18).float(), line(5, 2, 14)
    precision, recall, f1 = (value.item() for value in tolerant_scores(found, truth))
    # The mask's columns 10 to 15 are near columns up to 13; the object's 8 to 13 are near columns from 10.
    assert (precision, recall) == pytest.approx((6 / 8, 6 / 12))
    assert f1 == pytest.approx(2 * 0.75 * 0.5 / 1.25)
    # The disc of radius 2 has no corners: two to the right and one down is √5 away.
    corner = torch.zeros(1, 20, 20)
    corner[0, 6, 15] = 1
    assert tolerant_scores(corner, truth)[0].item() == 0
    corner[0, 6, 14] = 1
    assert tolerant_scores(corner, truth)[0].item() == 0.5


def test_without_tolerance_it_is_f1() -> None:
    random = torch.Generator().manual_seed(0)
    found, truth = torch.rand(4, 9, 9, generator=random), torch.rand(4, 9, 9, generator=random) > 0.6
    both = ((found >= 0.3) & truth).sum((1, 2))
    wanted = 2 * both / ((found >= 0.3).sum((1, 2)) + truth.sum((1, 2)))
    assert tolerant_f1(found, truth, threshold=0.3, tolerance=0).tolist() == pytest.approx(wanted.tolist())


def test_all_distances() -> None:
    random = torch.Generator().manual_seed(1)
    found, truth = (torch.rand(2, 15, 13, generator=random) > 0.93 for _ in range(2))
    precision, recall, _ = tolerant_scores(found.float(), truth)
    for number in range(2):
        one, other = found[number].nonzero().float(), truth[number].nonzero().float()
        near = torch.cdist(one, other) <= 2
        assert precision[number].item() == pytest.approx(near.any(1).float().mean().item())
        assert recall[number].item() == pytest.approx(near.any(0).float().mean().item())


def test_nothing_void_and_nan() -> None:
    none = torch.zeros(1, 20, 20)
    assert [value.item() for value in tolerant_scores(none, none.bool())] == [1, 1, 1]
    assert [value.item() for value in tolerant_scores(none, line(5))] == [0, 0, 0]
    assert [value.item() for value in tolerant_scores(line(5).float(), none.bool())] == [0, 0, 0]
    valid = torch.ones(1, 20, 20, dtype=torch.bool)
    valid[:, :, 10:] = False
    assert tolerant_scores(line(5, 2, 10).float(), line(5), valid)[1].item() == 1
    assert tolerant_f1(none.fill_(torch.nan), line(5)).item() == 0


def test_the_class_is_the_mean() -> None:
    metric = TolerantF1()
    metric.update(torch.cat([line(5).float(), line(12).float()]), torch.cat([line(6), line(5)]))
    assert metric.compute().item() == 0.5
    assert TolerantF1.higher_is_better


@pytest.mark.bad_input
def test_wrong_settings() -> None:
    with pytest.raises(InputError, match="tolerance=-1"):
        tolerant_f1(line(5).float(), line(5), tolerance=-1)
    with pytest.raises(InputError, match="threshold=2"):
        tolerant_f1(line(5).float(), line(5), threshold=2)
