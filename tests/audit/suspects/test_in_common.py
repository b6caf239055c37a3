"""What some photos have in common and others have not, in noise where it is known which."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.audit.suspects.in_common import (
    common_pattern,
    common_place,
    excess,
    fine,
    likeness,
    spread,
)

HAVING = list(range(0, 40, 5))


def noise(count: int, seed: int) -> Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def images() -> Tensor:
    return noise(40, 0)


@pytest.fixture
def strangers() -> Tensor:
    return noise(60, 1)


def test_likeness_by_hand() -> None:
    some = np.array([[[1, 0], [0, 0.1]]], np.float32)
    others = np.array([[[1, 0], [2, 0], [0, 1], [-1, 0]]], np.float32)
    # 2·1/(1 + 1), 2·2/(1 + 4), 0, −1; a short one counts as longer than it is: 2·0.1/(0.01 + 1 + 0.09).
    assert likeness(some, others, 0.0)[0, 0] == pytest.approx([1, 0.8, 0, -1])
    assert likeness(some, others, 0.3)[0, 1, 2] == pytest.approx(0.2 / 1.1)


def test_excess_by_hand() -> None:
    # p = 4.5/10, q = 0.5/20: 0.425/√(0.45·0.55/9 + 0.025·0.975/19).
    assert excess(np.array([4]), 9, np.array([0]), 19) == pytest.approx([2.505], abs=1e-3)
    assert excess(np.array([0]), 9, np.array([9]), 19)[0] < 0


def test_a_block_in_a_fifth_of_the_photos(images: Tensor, strangers: Tensor) -> None:
    images[HAVING, :, 40:56, 8:24] = torch.tensor([0.9, 0.1, 0.2])[:, None, None]
    region, members, much = common_place(images, strangers)
    expected = np.zeros((16, 16), bool)
    expected[10:14, 2:6] = True
    assert (region == expected).all()
    assert members.tolist() == HAVING
    assert much > 2.5


def test_what_strangers_have_as_well_is_not_in_common(images: Tensor, strangers: Tensor) -> None:
    for some in (images, strangers):
        some[::3, :, 40:56, 8:24] = 0.9
    images[HAVING, :, 8:12, 48:52] = torch.tensor([0.9, 0.1, 0.2])[:, None, None]
    region, members, _ = common_place(images, strangers)
    assert np.argwhere(region).tolist() == [[2, 12]]
    assert members.tolist() == HAVING


def test_the_same_photo_many_times_is_not_in_common(images: Tensor, strangers: Tensor) -> None:
    images[HAVING] = images[:1].clone()
    _, members, much = common_place(images, strangers)
    assert len(members) == 1
    assert much < 1
    assert len(common_pattern(images, strangers).members) == 1


def test_fine_lines_over_the_whole_photo(images: Tensor, strangers: Tensor) -> None:
    lines = (torch.arange(64) // 2 % 2).float() - 0.5
    images[HAVING] += 0.8 * lines
    pattern = common_pattern(images, strangers)
    assert pattern.members.tolist() == HAVING
    assert pattern.excess > 2.5
    assert spread(fine(images[HAVING]).mean(0)) > 0.8
    assert pattern.covers > 0.8
    assert pattern.all_over
    assert pattern.mean == pytest.approx(fine(images[HAVING]).mean(0))


def test_fine_lines_at_a_place_have_one(images: Tensor, strangers: Tensor) -> None:
    images[HAVING, :, 40:56, 8:24] = 6 * ((torch.arange(16) // 2 % 2).float() - 0.5)
    pattern = common_pattern(images, strangers)
    assert not pattern.all_over
    ((row, cell),) = np.argwhere(pattern.strongest()).tolist()
    assert 10 <= row < 14
    assert 2 <= cell < 6
    assert pattern.members.tolist() == HAVING


def test_spread_by_hand() -> None:
    pattern = torch.zeros(1, 16, 16)
    pattern[0, :4] = 2.0
    assert spread(pattern) == pytest.approx(0.25)
    pattern[:] = -1
    assert spread(pattern) == pytest.approx(1)
    assert spread(torch.zeros(1, 16, 16)) == 0
