from __future__ import annotations

import pytest
import torch
from torch import Tensor

from explanans.audit.suspects.repeated_patches import patch_areas, patches_of, repeated, thing_around

HAVING = list(range(1, 30, 4))


def noise(count: int, seed: int) -> Tensor:
    """Soft blotches: noise of single pixels would vanish where photos are compared."""
    small = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(small, (64, 64), mode="bilinear")


def cross() -> Tensor:
    """12 × 12 pixels of yellow with a black cross."""
    picture = torch.tensor([1.0, 0.9, 0.0])[:, None, None].repeat(1, 12, 12)
    picture[:, 5:7] = 0
    picture[:, :, 5:7] = 0
    return picture


@pytest.fixture
def corners() -> list[tuple[int, int]]:
    """Of the crosses, on even pixels, as photos of twice the size are compared."""
    random = torch.Generator().manual_seed(2)
    return [tuple((2 * torch.randint(4, 20, (2,), generator=random)).tolist()) for _ in HAVING]


@pytest.fixture
def images(corners: list[tuple[int, int]]) -> Tensor:
    photos = noise(30, 0)
    for index, (top, left) in zip(HAVING, corners, strict=True):
        photos[index, :, top : top + 12, left : left + 12] = cross()
    return photos


def everywhere(images: Tensor) -> Tensor:
    return torch.ones(len(images), *images.shape[2:], dtype=torch.bool)


def test_the_same_thing_in_any_place(images: Tensor, corners: list[tuple[int, int]]) -> None:
    strangers = noise(40, 1)
    own, strange = patches_of(images, everywhere(images)), patches_of(strangers, everywhere(strangers))
    found, much = repeated(own, 30, strange, 40)
    assert found.photo.tolist() == HAVING
    assert much > 2.5
    assert patch_areas(found, 64, 64).sum((1, 2)).tolist() == [100] * len(HAVING)
    regions = thing_around(images[HAVING], found, strangers)
    for region, (top, left) in zip(regions, corners, strict=True):
        expected = torch.zeros(64, 64, dtype=torch.bool)
        expected[top : top + 12, left : left + 12] = True
        # To the pixel or two in which photos are compared.
        assert (region & expected).sum() / (region | expected).sum() > 0.7
    for area, (top, left) in zip(patch_areas(found, 64, 64), corners, strict=True):
        assert area[top - 2 : top + 14, left - 2 : left + 14].sum() == 100


def test_a_thing_that_strangers_have_too_is_not_oftener_there(images: Tensor) -> None:
    own = patches_of(images, everywhere(images))
    _, much = repeated(own, 30, own, 30)
    assert much == pytest.approx(0, abs=0.5)


def test_only_what_the_masks_keep_is_compared(images: Tensor, corners: list[tuple[int, int]]) -> None:
    masks = torch.zeros(30, 64, 64, dtype=torch.bool)
    top, left = corners[0]
    masks[HAVING[0], top : top + 12, left : left + 12] = True
    patches = patches_of(images, masks)
    assert set(patches.photo.tolist()) == {HAVING[0]}
    assert patches.values.norm(dim=1).tolist() == pytest.approx([1] * len(patches), abs=1e-5)
    assert patches.values.mean(1).abs().max() < 1e-6
    nothing = patches_of(images, torch.zeros_like(masks))
    found, much = repeated(nothing, 30, patches, 30)
    assert (len(found), much) == (0, 0.0)


def test_flat_patches_match_nothing() -> None:
    flat = torch.full((6, 3, 64, 64), 0.5)
    patches = patches_of(flat, everywhere(flat))
    found, much = repeated(patches, 6, patches, 6)
    assert (len(found), much) == (0, 0.0)
