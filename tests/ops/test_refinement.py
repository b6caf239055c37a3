from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from explanans.ops.refinement import (
    adapt_to_pixels,
    compete,
    edge_aware_variation,
    enlarge,
    scaled_up,
    spread,
    stretch,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def naive_variation(masks: Tensor, images: Tensor, contrast: float) -> float:
    count, height, width = masks.shape
    terms = []
    for reach in (1, 2):
        for down, right in ((0, reach), (reach, 0), (reach, reach), (reach, -reach)):
            values = []
            for image in range(count):
                for y in range(height):
                    for x in range(width):
                        if y + down < height and 0 <= x + right < width:
                            colour = images[image, :, y, x] - images[image, :, y + down, x + right]
                            weight = math.exp(-float((colour**2).sum()) / (2 * contrast**2))
                            step = float((masks[image, y, x] - masks[image, y + down, x + right]).abs())
                            values.append(weight * step)
            if values:
                terms.append(sum(values) / len(values))
    return sum(terms) / len(terms) if terms else 0.0


@pytest.mark.parametrize(("height", "width"), [(5, 6), (2, 5), (5, 2), (1, 4), (1, 1)])
def test_edge_aware_variation_against_a_naive_loop(height: int, width: int) -> None:
    masks, images = random(2, height, width), random(2, 3, height, width, seed=1)
    result = edge_aware_variation(masks, images, contrast=0.4)
    assert result.item() == pytest.approx(naive_variation(masks, images, 0.4), abs=1e-12)


def test_the_contrast_is_three_tenths_where_none_is_given() -> None:
    masks, images = random(1, 4, 5), 0.3 * random(1, 3, 4, 5, seed=1)
    assert edge_aware_variation(masks, images).item() == pytest.approx(naive_variation(masks, images, 0.3), abs=1e-12)


def test_an_edge_is_free_where_the_picture_has_one() -> None:
    mask = torch.zeros(1, 8, 8)
    mask[..., 4:] = 1
    along, across = mask[:, None].expand(1, 3, 8, 8), mask.mT[:, None].expand(1, 3, 8, 8)
    assert edge_aware_variation(mask, 3 * along) < 0.01 * edge_aware_variation(mask, 3 * across)


def test_edge_aware_variation_has_the_right_gradient() -> None:
    masks, images = random(1, 3, 4).requires_grad_(), random(1, 3, 3, 4, seed=1)
    assert torch.autograd.gradcheck(lambda m: edge_aware_variation(m, images), masks)


def test_stretch_by_hand() -> None:
    maps = torch.tensor([[[2.0, 4.0], [3.0, 6.0]], [[5.0, 5.0], [5.0, 5.0]]])
    expected = torch.tensor([[[0.0, 0.5], [0.25, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    torch.testing.assert_close(stretch(maps), expected)


def test_a_faint_map_is_stretched_as_far_as_a_bold_one() -> None:
    faint = 0.5 + 1e-4 * random(2, 3, 4)
    low, high = stretch(faint).amin((1, 2)), stretch(faint).amax((1, 2))
    torch.testing.assert_close(low, torch.zeros_like(low))
    torch.testing.assert_close(high, torch.ones_like(high))


def test_enlarge_by_hand() -> None:
    """Bilinear between the middles of the pixels: 0 and 1 become 0, 1/4, 3/4 and 1."""
    row = torch.tensor([0, 1 / 4, 3 / 4, 1])
    large = enlarge(torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]), [4, 4])
    torch.testing.assert_close(large[0, 0], row + 2 * row[:, None])


def test_enlarge_leaves_the_right_size_alone() -> None:
    maps = torch.rand(1, 2, 3, 4)
    assert enlarge(maps, (3, 4)) is maps
    assert enlarge(maps, torch.Size((6, 8))).shape == (1, 2, 6, 8)


@pytest.mark.parametrize(("settings", "power", "steps"), [({}, 2, 2), ({"power": 3.0, "steps": 1}, 3, 1)])
def test_spread_against_a_naive_walk(settings: dict, power: int, steps: int) -> None:
    maps, features = random(1, 2, 3), random(1, 4, 2, 3, seed=1)
    positions = features[0].flatten(1).T
    positions = positions - positions.mean(0)
    affinity = torch.zeros(6, 6, dtype=torch.float64)
    for i in range(6):
        for j in range(6):
            affinity[i, j] = functional.cosine_similarity(positions[i], positions[j], dim=0).clamp(min=0) ** power
    expected = maps.flatten()
    for _ in range(steps):
        expected = (affinity @ expected) / affinity.sum(1)
    torch.testing.assert_close(spread(maps, features, **settings).flatten(), expected)


def test_features_that_are_all_alike_carry_nothing() -> None:
    assert not spread(random(1, 2, 3), torch.ones(1, 4, 2, 3, dtype=torch.float64)).any()


def naive_adapting(mask: Tensor, image: Tensor, steps: int, reaches: tuple[int, ...]) -> Tensor:
    """One pixel at a time; beyond the border a picture goes on as it ends."""
    height, width = mask.shape
    for _ in range(steps):
        refined = torch.zeros_like(mask)
        for y in range(height):
            for x in range(width):
                around = [
                    (min(max(y + down * reach, 0), height - 1), min(max(x + right * reach, 0), width - 1))
                    for reach in reaches
                    for down in (-1, 0, 1)
                    for right in (-1, 0, 1)
                    if (down, right) != (0, 0)
                ]
                colours = torch.stack([image[:, j, i] for j, i in around])
                everything = torch.cat([colours, image[None, :, y, x]])
                middle = everything.mean(0)
                deviation = ((everything - middle) ** 2).sum(0).div(len(around)).sqrt()
                far = ((colours - image[:, y, x]).abs() / (0.3 * deviation + 1e-6)).mean(1)
                weights = (-far).exp() / (-far).exp().sum()
                values = torch.stack([mask[j, i] for j, i in around])
                refined[y, x] = (weights * values).sum()
        mask = refined
    return mask


@pytest.mark.parametrize(
    ("settings", "steps", "reaches"),
    [({"steps": 2, "reaches": (1,)}, 2, (1,)), ({"steps": 1}, 1, (1, 2, 4, 8)), ({"reaches": (1, 3)}, 10, (1, 3))],
)
def test_adapting_against_a_naive_loop(settings: dict, steps: int, reaches: tuple[int, ...]) -> None:
    maps, images = random(2, 4, 5), random(2, 3, 4, 5, seed=1)
    adapted = adapt_to_pixels(maps, images, **settings)
    for found, mask, image in zip(adapted, maps, images, strict=True):
        torch.testing.assert_close(found, naive_adapting(mask, image, steps, reaches))


def test_a_map_spreads_over_the_features_that_are_alike_and_no_further() -> None:
    features = torch.zeros(1, 2, 4, 4)
    features[:, 0, :, :2] = 1
    features[:, 1, :, 2:] = 1
    point = torch.zeros(1, 4, 4)
    point[0, 0, 0] = 1
    flowed = spread(point, features, steps=1)
    torch.testing.assert_close(flowed[..., :2], torch.full((1, 4, 2), 1 / 8))
    assert not flowed[..., 2:].any()


def test_adapting_keeps_flat_maps_and_the_range() -> None:
    images = random(2, 3, 6, 7)
    flat = torch.full((2, 6, 7), 0.3, dtype=torch.float64)
    torch.testing.assert_close(adapt_to_pixels(flat, images, reaches=(1, 2)), flat)
    maps = random(2, 6, 7, seed=1)
    adapted = adapt_to_pixels(maps, images, reaches=(1, 2))
    assert maps.min() <= adapted.min() <= adapted.max() <= maps.max()


def test_adapting_stops_at_the_edges_of_the_picture() -> None:
    side = torch.zeros(1, 12, 12)
    side[..., 6:] = 1
    blurred = functional.avg_pool2d(side[:, None], 5, stride=1, padding=2, count_include_pad=False)[:, 0]
    adapted = adapt_to_pixels(blurred, side[:, None].expand(1, 3, 12, 12), reaches=(1, 2))
    assert (blurred[..., 6] - blurred[..., 5]).max() < 0.21
    assert (adapted[..., 6] - adapted[..., 5]).min() > 0.8


def test_maps_of_one_image_compete_by_hand() -> None:
    maps = torch.tensor([[0.8, 0.0, 0.5], [0.4, 0.0, 1.0], [0.3, 0.2, 0.1]]).view(3, 1, 3)
    image = torch.tensor([0, 0, 2])
    expected = [[0.8, 0, 0.25], [0.2, 0, 1], [0.3, 0.2, 0.1]]
    assert compete(maps, image).flatten(1).tolist() == [pytest.approx(row) for row in expected]
    assert compete(maps[:0], image[:0]).shape == (0, 1, 3)


def test_colours_of_one_image_say_nothing_of_another() -> None:
    """Each image is refined, spread and held together by itself."""
    maps, images, features = random(2, 6, 5), random(2, 3, 6, 5, seed=1), random(2, 4, 6, 5, seed=2)
    for number in range(2):
        one = slice(number, number + 1)
        torch.testing.assert_close(adapt_to_pixels(maps, images)[one], adapt_to_pixels(maps[one], images[one]))
        torch.testing.assert_close(spread(maps, features)[one], spread(maps[one], features[one]))
    alone = [edge_aware_variation(maps[[number]], images[[number]]) for number in range(2)]
    torch.testing.assert_close(edge_aware_variation(maps, images), (alone[0] + alone[1]) / 2)


def test_several_maps_of_each_image_are_those_of_one_after_another() -> None:
    maps, features, images = random(2, 3, 5, 6), random(2, 4, 5, 6, seed=1) - 0.5, random(2, 3, 5, 6, seed=2)
    for column in range(3):
        torch.testing.assert_close(spread(maps, features)[:, column], spread(maps[:, column], features))
        torch.testing.assert_close(adapt_to_pixels(maps, images)[:, column], adapt_to_pixels(maps[:, column], images))


def test_sides_that_are_scaled_up_are_multiples_of_32() -> None:
    image = random(1, 3, 64, 100)
    assert scaled_up(image, 1.43).shape == (1, 3, 96, 128)
    assert scaled_up(image, 0.1).shape == (1, 3, 32, 32)
    assert scaled_up(image, 1) is image
    torch.testing.assert_close(scaled_up(torch.full((1, 1, 40, 40), 0.3), 1.43), torch.full((1, 1, 64, 64), 0.3))


def test_maps_of_nothing_stay_nothing() -> None:
    assert compete(torch.zeros(2, 1, 3), torch.tensor([0, 0])).tolist() == [[[0] * 3]] * 2
    assert stretch(torch.full((1, 2, 2), 3.0)).tolist() == [[[0, 0], [0, 0]]]
    flat = torch.ones(1, 3, 4, 4)
    # A picture of one colour has no edge to stop at: the mean of eight neighbours.
    point = torch.zeros(1, 4, 4)
    point[0, 1, 1] = 1
    adapted = adapt_to_pixels(point, flat, 1, (1,))[0]
    assert adapted[:3, :3].flatten().tolist() == pytest.approx([1 / 8] * 4 + [0] + [1 / 8] * 4)
