from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.errors import InputError
from explanans.images.preprocessing import NotNormalisedWarning, Preprocessing

HALF = Preprocessing(4, (0.5,) * 3, (0.5,) * 3)
PREPROCESSING = Preprocessing((2, 4), (0.5, 0.25, 0.0), (0.5, 0.25, 2.0))


def test_numbers_by_hand() -> None:
    picture = Image.fromarray(np.full((2, 4, 3), (255, 0, 51), dtype=np.uint8))
    result = PREPROCESSING(picture)
    assert result.shape == (3, 2, 4)
    assert result.dtype == torch.float32
    expected = torch.tensor([(1 - 0.5) / 0.5, (0 - 0.25) / 0.25, 0.2 / 2]).view(3, 1, 1).expand(3, 2, 4)
    torch.testing.assert_close(result, expected)


def test_denormalise_is_the_inverse() -> None:
    pixels = torch.arange(24, dtype=torch.uint8).view(1, 3, 2, 4) * 10
    back = PREPROCESSING.denormalise(PREPROCESSING.normalise(pixels))
    torch.testing.assert_close(back, pixels / 255)


def test_denormalise_clips_to_colours() -> None:
    assert PREPROCESSING.denormalise(torch.full((3, 1, 1), 9.0)).max() == 1
    assert PREPROCESSING.denormalise(torch.full((3, 1, 1), -9.0)).min() == 0


def test_the_mean_colour_is_zero() -> None:
    mean = torch.tensor(PREPROCESSING.mean, dtype=torch.float64).view(3, 1, 1)
    result = PREPROCESSING.normalise(mean)
    assert result.dtype == torch.float64
    assert result.abs().max() == 0


def test_the_whole_picture_is_resized_without_a_crop() -> None:
    pixels = np.zeros((10, 40, 3), dtype=np.uint8)
    pixels[:, 20:] = 255
    resized = PREPROCESSING.resize(Image.fromarray(pixels))
    assert resized.dtype == torch.uint8
    assert resized.shape == (3, 2, 4)
    assert resized[:, :, 0].max() == 0
    assert resized[:, :, 3].min() == 255


def test_a_square_is_one_number_and_json_keeps_everything() -> None:
    preprocessing = Preprocessing(8, (0, 0, 0), (1, 1, 1), "bicubic")
    assert (preprocessing.height, preprocessing.width) == (8, 8)
    assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"size": 0}, "size=0"),
        ({"size": (2, 3, 4)}, "size="),
        ({"mean": (0.5,)}, "mean=.*differ in length"),
        ({"std": (1, 1, 0)}, "std=.*above 0"),
        ({"std": (1, 1, float("nan"))}, "std=.*give finite numbers"),
        ({"std": (1, float("inf"), 1)}, "std=.*give finite numbers"),
        ({"mean": (0, 0, float("nan"))}, "mean=.*give finite numbers"),
        ({"interpolation": "lanczos"}, "interpolation='lanczos'"),
    ],
)
def test_bad_settings_are_named(settings: dict, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Preprocessing(**{"size": 8, "mean": (0, 0, 0), "std": (1, 1, 1), **settings})


def test_a_batch_that_may_be_normalised_is_taken_as_it_is() -> None:
    imagenet = Preprocessing(4, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    pixels = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for images in (imagenet.normalise(pixels), 3 * imagenet.normalise(pixels), torch.zeros(1, 3, 4, 4)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert imagenet.check(images) is images
    # With mean 0 and std 1 pixels are normalised already.
    plain = Preprocessing(4, (0.0,) * 3, (1.0,) * 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain.check(pixels / 255)


def test_pixels_that_were_never_normalised() -> None:
    pixels = torch.tensor([0.0, 130, 255]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    with pytest.raises(InputError, match=r"values from 0 to 255, where normalised ones lie in \[-1, 1\]"):
        HALF.check(pixels)
    with pytest.warns(NotNormalisedWarning, match=r"all values lie in \[0, 1\]"):
        HALF.check(pixels / 255)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("images", "got"),
    [
        (Image.new("RGB", (4, 4)), "Image"),
        (np.zeros((1, 3, 4, 4), np.float32), "ndarray"),
        (torch.zeros(3, 4, 4), r"\(3, 4, 4\)"),
        (torch.zeros(1, 1, 4, 4), r"\(1, 1, 4, 4\)"),
    ],
)
def test_what_is_no_batch_of_images(images: object, got: str) -> None:
    with pytest.raises(InputError, match=rf"images: got {got}; give a tensor of normalised images \(N, 3, H, W\)"):
        HALF.check(images)
