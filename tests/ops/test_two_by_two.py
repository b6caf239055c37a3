from __future__ import annotations

import torch
from torch import Tensor

from explanans.ops.two_by_two import cell, two_by_two


def corner(images: Tensor, size: tuple[int, int]) -> Tensor:
    return images[..., : size[0], : size[1]]


def test_four_images_row_by_row() -> None:
    images = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]])[:, :, None, None, None].expand(2, 4, 1, 4, 4)
    whole = two_by_two(images, corner)
    assert whole[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert whole[1, 0, 0].tolist() == [5, 5, 6, 6]


def test_of_odd_sides_the_later_cells_are_larger() -> None:
    sizes: list[tuple[int, int]] = []

    def seen(images: Tensor, size: tuple[int, int]) -> Tensor:
        sizes.append(size)
        return corner(images, size)

    assert two_by_two(torch.ones(1, 4, 3, 5, 7), seen).eq(1).all()
    assert sizes == [(2, 3), (2, 4), (3, 3), (3, 4)]
    assert cell(1, 5, 7) == (slice(0, 2), slice(3, 7))


def test_of_no_images_there_is_none() -> None:
    assert two_by_two(torch.ones(0, 4, 3, 4, 4), corner).shape == (0, 3, 4, 4)
