from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.ops.masking import FILLS, BlurFill, NoiseFill, apply_mask, make_fill, merge

PREPROCESSING = Preprocessing(64, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
MASKS = torch.tensor([[[[0.1, 0.9], [0.4, 0.0]], [[0.5, 0.2], [0.4, 1.0]], [[0.3, 0.3], [0.8, 0.0]]]])


def images(count: int = 2, side: int = 64) -> Tensor:
    pixels = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))
    return PREPROCESSING.normalise(pixels)


def test_merge_by_hand() -> None:
    target, non_target = merge(MASKS, torch.tensor([[1.0, 1, 0]]))
    torch.testing.assert_close(target, torch.tensor([[[0.5, 0.9], [0.4, 1.0]]]))
    torch.testing.assert_close(non_target, torch.tensor([[[0.3, 0.3], [0.8, 0.0]]]))


def test_merge_without_a_label_and_with_every_label() -> None:
    largest = torch.tensor([[[0.5, 0.9], [0.8, 1.0]]])
    target, non_target = merge(MASKS, torch.zeros(1, 3))
    torch.testing.assert_close(non_target, largest)
    assert not target.any()
    target, non_target = merge(MASKS, torch.ones(1, 3))
    torch.testing.assert_close(target, largest)
    assert not non_target.any()


def test_merge_takes_each_image_with_its_own_labels() -> None:
    target, _ = merge(MASKS.expand(2, -1, -1, -1), torch.tensor([[True, False, False], [False, False, True]]))
    torch.testing.assert_close(target, torch.stack([MASKS[0, 0], MASKS[0, 2]]))


def test_apply_mask_is_a_blend() -> None:
    picture, background, mask = images(), torch.full((2, 3, 64, 64), 2.0), torch.rand(2, 64, 64)
    weights = mask[:, None]
    expected = picture * weights + background * (1 - weights)
    torch.testing.assert_close(apply_mask(picture, mask, background), expected)
    torch.testing.assert_close(apply_mask(picture, weights, background), expected)


def test_apply_mask_is_exact_at_both_ends() -> None:
    picture, background = images(), torch.full((2, 3, 64, 64), 1e4)
    assert torch.equal(apply_mask(picture, torch.ones(2, 64, 64), background), picture)
    assert torch.equal(apply_mask(picture, torch.zeros(2, 64, 64), background), background)


def test_a_binary_mask_shows_or_hides() -> None:
    picture, background = images(), torch.full((2, 3, 64, 64), 2.0)
    mask = torch.zeros(2, 64, 64, dtype=torch.bool)
    mask[0, :, :8] = mask[1, 60:] = True
    expected = torch.where(mask[:, None], picture, background)
    assert torch.equal(apply_mask(picture, mask, background), expected)
    assert torch.equal(apply_mask(picture.double(), mask, background.double()), expected.double())


def test_mean_is_zero_and_shows_the_mean_colour() -> None:
    background = make_fill("mean", PREPROCESSING)(images())
    assert not background.any()
    shown = PREPROCESSING.denormalise(background)[0, :, 0, 0]
    torch.testing.assert_close(shown, torch.tensor(PREPROCESSING.mean))


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("black", (0, 0, 0)),
        ("white", (1, 1, 1)),
        ("#ff8000", (1, 128 / 255, 0)),
        ("#40a0c8", (64 / 255, 160 / 255, 200 / 255)),
    ],
)
def test_colours_are_what_they_say_after_denormalisation(name: str, colour: tuple[float, ...]) -> None:
    background = make_fill(name, PREPROCESSING)(images())
    assert background.shape == (2, 3, 64, 64)
    # Undone by hand, because denormalise() clips.
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (PREPROCESSING.mean, PREPROCESSING.std))
    shown = background * std + mean
    expected = torch.tensor(colour, dtype=shown.dtype).view(3, 1, 1).expand_as(shown)
    torch.testing.assert_close(shown, expected, atol=1e-6, rtol=0)


def test_noise_has_a_standard_deviation_of_0_11_between_black_and_white() -> None:
    generator = torch.Generator().manual_seed(1)
    shown = PREPROCESSING.denormalise(make_fill("noise", PREPROCESSING)(images(64), generator))
    centre = shown.mean((2, 3))
    unclipped = ((centre > 0.4) & (centre < 0.6))[:, :, None, None].expand_as(shown)
    planes = shown[unclipped].view(-1, 64 * 64)
    assert len(planes) > 10
    torch.testing.assert_close(planes.std(1).mean(), torch.tensor(0.11), atol=2e-3, rtol=0)
    assert centre.std() > 0.2, "the flat colour differs from image to image"


def test_noise_has_a_colour_of_its_own_for_each_image_and_stays_between_black_and_white() -> None:
    background = make_fill("noise", PREPROCESSING)(images(64), torch.Generator().manual_seed(1))
    # Undone by hand, because denormalise() clips.
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (PREPROCESSING.mean, PREPROCESSING.std))
    shown = background * std + mean
    assert -1e-6 < float(shown.min()) < 1e-3
    assert 1 - 1e-3 < float(shown.max()) < 1 + 1e-6
    centre = shown.mean((2, 3))
    # Uniform in [0, 1] has a standard deviation of 0.29, a little less where noise is clipped.
    assert (centre.std(0) > 0.2).all()
    assert (centre.std(1).median()) > 0.1
    assert torch.corrcoef(centre.T).fill_diagonal_(0).abs().max() < 0.4


@pytest.mark.parametrize("name", [*FILLS, "#808080", "mean+blur+noise"])
def test_the_generator_decides_every_fill(name: str) -> None:
    picture, fill = images(5), make_fill(name, PREPROCESSING)
    first, again, other = (fill(picture, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert first.shape == picture.shape
    assert first.dtype == picture.dtype
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (name not in ("noise", "mean+blur+noise"))


def test_one_of_several_fills_is_drawn_for_each_image() -> None:
    picture = images(16)
    drawn = make_fill("mean+black", PREPROCESSING)(picture, torch.Generator().manual_seed(0))
    is_mean = torch.tensor([not plane.any() for plane in drawn])
    black = make_fill("black", PREPROCESSING)(picture)
    assert 0 < is_mean.sum() < 16
    assert torch.equal(drawn[~is_mean], black[~is_mean])


def test_a_drawn_fill_takes_a_single_image_whichever_fill_it_gets() -> None:
    fill = make_fill("mean+blur+noise", PREPROCESSING)
    for seed in range(6):
        assert fill(images(1), torch.Generator().manual_seed(seed)).isfinite().all()


def test_blur_is_a_gaussian_of_ten_pixels_at_224() -> None:
    point = torch.zeros(1, 1, 224, 224)
    point[..., 112, 112] = 1
    blurred = BlurFill()(point.expand(1, 3, -1, -1))[0, 0]
    offsets = torch.arange(224) - 112.0
    row = blurred.sum(0)
    assert row.sum() == pytest.approx(1, abs=0.02)
    assert float((row * offsets**2).sum() / row.sum()) ** 0.5 == pytest.approx(10, rel=0.08)


@pytest.mark.parametrize(("height", "width", "share"), [(60, 80, None), (80, 60, None), (30, 31, 0.15)])
def test_blur_of_a_point_by_hand(height: int, width: int, share: float | None) -> None:
    """exp(−d² / 2σ²), cut off beyond 3σ, σ a share of the shorter side; too small a picture to be shrunk first."""
    point = torch.zeros(1, 3, height, width)
    middle = (height // 2, width // 2)
    point[..., middle[0], middle[1]] = 1
    sigma = (share or 10 / 224) * min(height, width)
    reach = min(int(3 * sigma), min(height, width) - 1)
    bells = []
    for side, at in zip((height, width), middle, strict=True):
        distance = torch.arange(side) - at
        bell = torch.exp(-(distance**2) / (2 * sigma**2)) * (distance.abs() <= reach)
        bells.append(bell / torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2)).sum())
    expected = bells[0][:, None] * bells[1]
    near = (slice(middle[0] - 3, middle[0] + 4), slice(middle[1] - 3, middle[1] + 4))
    blurred = (BlurFill(share) if share else BlurFill())(point)[0]
    for channel in blurred:
        torch.testing.assert_close(channel[near], expected[near], atol=1e-5, rtol=0)


def test_a_shrunk_blur_is_the_same_picture() -> None:
    """From 32 pixels on a wide blur is made of a smaller picture; here against one that is made of all pixels."""
    picture = nn.functional.interpolate(images(1, 12), scale_factor=8)
    sigma = 0.1 * 96
    bell = torch.exp(-(torch.arange(-28, 29) ** 2) / (2 * sigma**2))
    bell = (bell / bell.sum()).view(1, 1, 1, -1).expand(3, 1, 1, -1)
    wide = nn.functional.pad(picture, (28,) * 4, mode="reflect")
    exact = nn.functional.conv2d(nn.functional.conv2d(wide, bell, groups=3), bell.mT, groups=3)
    inside = (..., slice(16, -16), slice(16, -16))
    assert (BlurFill(0.1)(picture) - exact)[inside].abs().max() < 0.2 * exact.std()


def test_blur_does_not_follow_autocast() -> None:
    picture = images(1)
    with torch.autocast("cpu", torch.bfloat16):
        blurred = BlurFill()(picture)
    assert torch.equal(blurred, BlurFill()(picture))


def test_blur_keeps_a_flat_picture_and_any_size() -> None:
    for height, width in ((7, 9), (33, 64), (224, 100)):
        flat = torch.full((1, 3, height, width), 0.3)
        torch.testing.assert_close(BlurFill()(flat), flat)


def test_an_unknown_fill_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"fill='grain'.*mean.*black.*blur.*noise"):
        make_fill("grain", PREPROCESSING)
    with pytest.raises(InputError, match="fill=''"):
        make_fill("mean+", PREPROCESSING)


def test_a_colour_on_a_grey_picture_is_as_light_as_pillow_makes_it() -> None:
    grey = Preprocessing(4, (0.0,), (1.0,))
    filled = make_fill("#40a0c8", grey)(torch.zeros(2, 1, 4, 4))
    expected = 0.299 * 64 / 255 + 0.587 * 160 / 255 + 0.114 * 200 / 255
    torch.testing.assert_close(filled, torch.full((2, 1, 4, 4), expected))


@pytest.mark.parametrize(
    ("side", "share", "shrink"),
    [(32, 0.15, 2), (31, 0.15, 1), (64, 0.06, 1), (64, 0.1, 3), (64, 0.125, 4), (64, 0.3, 4)],
)
def test_a_wide_blur_is_made_of_a_picture_that_is_half_a_sigma_smaller(side: int, share: float, shrink: int) -> None:
    """At most a quarter of the size, and from 32 pixels on: shrunk, blurred by what is left of σ, and enlarged."""
    picture, sigma = images(1, side), share * side / shrink
    small = nn.functional.interpolate(picture, scale_factor=1, mode="nearest")
    if shrink > 1:
        size = (side // shrink, side // shrink)
        small = nn.functional.interpolate(picture, size, mode="bilinear", antialias=True)
    reach = min(int(3 * sigma), small.shape[-1] - 1)
    bell = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    bell = (bell / bell.sum()).view(1, 1, 1, -1).expand(3, 1, 1, -1)
    small = nn.functional.conv2d(nn.functional.pad(small, (reach,) * 4, mode="reflect"), bell, groups=3)
    small = nn.functional.conv2d(small, bell.mT, groups=3)
    expected = small if shrink == 1 else nn.functional.interpolate(small, (side, side), mode="bilinear", antialias=True)
    torch.testing.assert_close(BlurFill(share)(picture), expected, atol=1e-5, rtol=1e-5)


def test_a_blur_of_nothing_changes_nothing() -> None:
    picture = images(1, 16)
    torch.testing.assert_close(BlurFill(0.0)(picture), picture)


def test_noise_is_of_the_width_that_is_asked_for() -> None:
    fill = NoiseFill(Preprocessing(8, (0.0,) * 3, (1.0,) * 3), std=0.02)
    filled = fill(torch.zeros(40, 3, 64, 64), torch.Generator().manual_seed(0))
    inner = filled[(filled.amin((2, 3)) > 0) & (filled.amax((2, 3)) < 1)]
    assert len(inner) > 60
    assert inner.std((1, 2)).mean() == pytest.approx(0.02, rel=0.02)
