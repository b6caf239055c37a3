from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.errors import InputError
from explanans.images.drawing import PALETTE, colour_of, contour, cutout, overlay, resize_mask, to_grey

WHITE, BLACK, COLOUR = (255, 255, 255), (0, 0, 0), (100, 200, 50)


def square(size: int = 40, first: int = 10, last: int = 30) -> np.ndarray:
    mask = np.zeros((size, size), np.float32)
    mask[first:last, first:last] = 1
    return mask


def test_overlay_by_hand() -> None:
    mask = np.array([[0, 0.5, 1]], np.float32)
    drawn = np.asarray(overlay(Image.new("RGB", (3, 1), (200, 0, 100)), mask, COLOUR, opacity=0.5))
    # Within 1 of photo · (1 − m/2) + colour · m/2, because alpha is 8 bits.
    expected = [[200, 0, 100], [175, 50, 87.5], [150, 100, 75]]
    assert np.abs(drawn[0] - np.array(expected)).max() <= 1
    assert drawn[0, 0].tolist() == [200, 0, 100]


def test_overlay_leaves_the_photo_alone() -> None:
    photo = Image.new("RGB", (40, 40))
    overlay(photo, square(), COLOUR)
    contour(photo, square(), COLOUR)
    cutout(photo, square())
    assert photo.mode == "RGB"
    assert not np.asarray(photo).any()


def test_cutout_alpha_is_the_mask() -> None:
    mask = np.array([[0, 0.25, 0.5, 1]], np.float32)
    cut = cutout(Image.new("RGB", (4, 1), COLOUR), mask)
    assert cut.mode == "RGBA"
    assert np.asarray(cut)[0, :, 3].tolist() == [0, 64, 128, 255]
    assert np.asarray(cut)[0, :, :3].tolist() == [list(COLOUR)] * 4


def test_grey_keeps_the_threshold() -> None:
    assert np.asarray(to_grey(np.array([[0.4999, 0.5]], np.float32))).tolist() == [[127, 128]]


@pytest.mark.parametrize("background", [WHITE, BLACK])
def test_contour_lies_on_the_edge_with_its_halo(background: tuple[int, int, int]) -> None:
    photo = Image.new("RGB", (40, 40), background)
    drawn = np.asarray(contour(photo, square(), COLOUR, width=2)).astype(float)
    changed = np.abs(drawn - background).sum(2) > 0
    assert not changed[14:26, 14:26].any()
    assert not changed[:6].any()
    assert not changed[34:].any()
    # The line's middle is between the pixels 9 and 10, and it is green as nothing else in the row.
    row = drawn[20, :20, 1] - drawn[20, :20, 0].clip(0, 255)
    assert (row.clip(0) * (np.arange(20) + 0.5)).sum() / row.clip(0).sum() == pytest.approx(10, abs=0.3)
    assert drawn[20, 10] == pytest.approx(np.array(COLOUR), abs=20)
    if background == WHITE:
        assert drawn[20, 11].max() < 60


def test_contour_of_nothing_and_of_everything() -> None:
    photo = Image.new("RGB", (30, 20), WHITE)
    assert contour(photo, np.zeros((20, 30), np.float32), COLOUR) == photo
    everything = np.asarray(contour(photo, np.ones((20, 30), np.float32), COLOUR, threshold=1.0))
    assert (everything[[0, -1]] != 255).any(2).all()
    assert (everything[5:-5, 5:-5] == 255).all()


def test_contour_shows_specks() -> None:
    mask = np.zeros((20, 20), np.float32)
    mask[10, 10] = 1
    drawn = np.asarray(contour(Image.new("RGB", (20, 20), WHITE), mask, COLOUR))
    assert (drawn != 255).any(2).sum() >= 4


@pytest.mark.parametrize("size", [(1, 1), (2000, 3), (3, 2000)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    photo = Image.new("RGB", size, WHITE)
    mask = resize_mask(square(), (size[1], size[0]))
    assert overlay(photo, mask, COLOUR).size == contour(photo, mask, COLOUR).size == cutout(photo, mask).size == size


def test_resize_mask() -> None:
    mask = np.array([[0, 1], [0, 1]], np.float32)
    assert resize_mask(mask, (2, 2)) is mask
    assert resize_mask(mask, (1, 4)).tolist() == [[0, 0.25, 0.75, 1]]
    assert resize_mask(square(), (1, 1)).item() == pytest.approx(0.25, abs=0.15)


def test_colours_are_stable_and_differ() -> None:
    assert [colour_of(index) for index in range(len(PALETTE))] == list(PALETTE)
    assert colour_of(812) == colour_of(812)
    assert len({colour_of(index) for index in range(1000)}) > 980
    # Neighbours differ in lightness too (ITU-R 601-2), for who does not tell their hues apart.
    lightness = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in map(colour_of, range(len(PALETTE), 40))]
    assert min(abs(a - b) for a, b in pairwise(lightness)) > 40
    assert all(70 < each < 170 for each in lightness)


def test_bad_input() -> None:
    photo = Image.new("RGB", (4, 3))
    for draw in (overlay, contour):
        with pytest.raises(InputError, match="mask has shape"):
            draw(photo, np.zeros((4, 3), np.float32), COLOUR)
    with pytest.raises(InputError, match="mask has shape"):
        cutout(photo, np.zeros((4, 3), np.float32))
    for wrong in (torch.zeros(3, 3, 4), np.zeros((3, 4, 3))):
        with pytest.raises(InputError, match=r"picture is a (Tensor|ndarray) and mask a ndarray; give"):
            overlay(wrong, np.zeros((3, 4), np.float32), COLOUR)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="mask a Tensor"):
        cutout(photo, torch.zeros(3, 4))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="opacity"):
        overlay(photo, np.zeros((3, 4), np.float32), COLOUR, opacity=1.5)
