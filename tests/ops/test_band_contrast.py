from __future__ import annotations

import pytest
import torch

from explanans.ops.band_contrast import band_contrast, contrasts_together


def picture(rows: list[list[float]]) -> torch.Tensor:
    """Grey as 3 channels of which two are 0, so that sums are those of one."""
    grey = torch.tensor(rows, dtype=torch.float64)
    return torch.stack([grey, torch.zeros_like(grey), torch.zeros_like(grey)])[None]


def test_a_mask_that_ends_where_the_colour_does_explains_all() -> None:
    image = picture([[1, 1, 0, 0]] * 2)
    mask = torch.tensor([[[True, True, False, False]] * 2])
    assert band_contrast(image, mask, 1).item() == pytest.approx(1)
    assert band_contrast(image, ~mask, 1).item() == pytest.approx(1)


def test_worked_out_by_hand() -> None:
    # One column too wide: the inner band of radius 1 is the third column, {0, 0}, and the outer one the fourth, {0, 0}.
    image = picture([[1, 1, 0, 0]] * 2)
    wide = torch.tensor([[[True, True, True, False]] * 2])
    assert band_contrast(image, wide, 1).item() == 0
    # Radius 2 takes the second column in: inside {1, 1, 0, 0}, outside {0, 0}. w1 w0 / (w1 + w0) = 8 / 6, means 1/2 and
    # 0, so 1/3 between; around the mean of 1/3 the spread is 2 · 4/9 + 4 · 1/9 = 4/3.
    assert band_contrast(image, wide, 2).item() == pytest.approx((1 / 3) / (4 / 3))


def test_what_is_far_from_the_edge_does_not_count() -> None:
    image = picture([[9, 9, 9, 1, 0, 5, 5, 5]])
    mask = torch.tensor([[[True] * 4 + [False] * 4]])
    assert band_contrast(image, mask, 1).item() == pytest.approx(1)
    assert band_contrast(image, mask, 2).item() < 0.6


def test_nothing_everything_and_one_colour() -> None:
    image = picture([[1, 0, 0.5, 0.25]])
    masks = torch.tensor([[[False] * 4], [[True] * 4], [[True, False, True, False]]])
    found = band_contrast(image, masks, 1)
    assert found[:2].tolist() == [0, 0]
    assert found[2] > 0
    assert band_contrast(torch.full((1, 3, 1, 4), 0.3), masks, 1)[2].item() == 0


def test_against_pixels_one_by_one() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 3, 9, 11, generator=generator, dtype=torch.float64)
    masks = torch.rand(3, 9, 11, generator=generator) > 0.6
    for radius in (1, 2, 3):
        found = band_contrast(images, masks, radius)
        for image, mask, value in zip(images, masks, found, strict=True):
            bands: dict[bool, list[torch.Tensor]] = {True: [], False: []}
            for y in range(9):
                for x in range(11):
                    near = mask[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
                    if (near != mask[y, x]).any():
                        bands[bool(mask[y, x])].append(image[:, y, x])
            inner, outer = torch.stack(bands[True]), torch.stack(bands[False])
            both = torch.cat([inner, outer])
            within = sum(((band - band.mean(0)) ** 2).sum() for band in (inner, outer))
            assert value.item() == pytest.approx(1 - (within / ((both - both.mean(0)) ** 2).sum()).item())


def test_all_masks_of_several_images_at_once_are_those_one_by_one() -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 64, 70, generator=random) + 3
    masks = torch.randn(2, 4, 8, 9, generator=random).repeat_interleave(8, 2).repeat_interleave(8, 3)[..., :70] > 0.5
    masks[0, 0], masks[0, 1] = False, True
    found = contrasts_together(images, masks)
    for row in range(2):
        expected = band_contrast(images[row, None], masks[row])
        torch.testing.assert_close(found[row], expected, atol=1e-5, rtol=1e-5)
    assert found[0, 2:].min() > 0
    # Single precision has a remainder here, of which it may make anything.
    assert not contrasts_together(images[:, :, :1, :1].expand_as(images), masks).any()
