from __future__ import annotations

import pytest
import torch
from torchvision import tv_tensors

from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.training.augmentation import augmentation

PREPROCESSING = Preprocessing((24, 32), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def pair() -> tuple[tv_tensors.Image, tv_tensors.Mask]:
    """A picture whose red channel is its own mask."""
    mask = torch.zeros(24, 32, dtype=torch.uint8)
    mask[4:12, 3:20] = 1
    return tv_tensors.Image(torch.stack([mask * 255, mask * 0, mask * 0])), tv_tensors.Mask(mask)


def test_none_is_no_transform() -> None:
    assert augmentation("none", PREPROCESSING) is None


def test_a_flip_moves_picture_and_mask_together() -> None:
    torch.manual_seed(0)
    transform, flipped = augmentation("flip", PREPROCESSING), 0
    for _ in range(20):
        image, mask = transform(*pair())
        assert torch.equal(image[0] > 0, mask > 0)
        flipped += int(torch.equal(mask, pair()[1].flip(1)))
    assert 3 < flipped < 17


def test_a_crop_keeps_size_type_and_values_of_the_mask() -> None:
    torch.manual_seed(0)
    transform = augmentation("crop", PREPROCESSING)
    for _ in range(5):
        image, mask = transform(*pair())
        assert image.shape == (3, 24, 32)
        assert image.dtype == mask.dtype == torch.uint8
        assert set(mask.unique().tolist()) <= {0, 1}


def test_some_pictures_stay_whole_under_crop() -> None:
    torch.manual_seed(0)
    transform = augmentation("crop", PREPROCESSING)
    _, mask = pair()
    moved = [transform(*pair())[1] for _ in range(60)]
    whole = sum(torch.equal(each, mask) or torch.equal(each, mask.flip(1)) for each in moved)
    assert 8 <= whole <= 30


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"augment='twist'.*none.*flip.*crop"):
        augmentation("twist", PREPROCESSING)


def test_turns_are_exact_and_need_a_square() -> None:
    torch.manual_seed(0)
    square = Preprocessing(8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    image = tv_tensors.Image(torch.arange(192, dtype=torch.uint8).view(3, 8, 8))
    turned = [torch.rot90(plane, quarter, (1, 2)) for plane in (image, image.flip(2)) for quarter in range(4)]
    transform = augmentation("turn", square)
    for result in [transform(image) for _ in range(8)]:
        assert any(torch.equal(result, each) for each in turned)
    with pytest.raises(InputError, match="square input, not 24x32"):
        augmentation("turn", PREPROCESSING)


@pytest.mark.parametrize("name", ["flip", "turn", "crop"])
def test_numbers_above_255_stay_what_they_are(name: str) -> None:
    torch.manual_seed(0)
    transform = augmentation(name, Preprocessing((24, 24), (0.5,) * 3, (0.5,) * 3))  # type: ignore[arg-type]
    numbers = torch.zeros(24, 24, dtype=torch.int32)
    numbers[4:12, 3:20], numbers[12:], numbers[:2] = 300, 255, 65535
    found = set()
    for _ in range(10):
        _, mask = transform(tv_tensors.Image(torch.zeros(3, 24, 24, dtype=torch.uint8)), tv_tensors.Mask(numbers))
        assert mask.dtype == torch.int32
        found |= set(mask.unique().tolist())
    assert found == {0, 255, 300, 65535}
