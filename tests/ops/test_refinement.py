from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from explanans.ops.refinement import adapt_to_pixels, edge_aware_variation, enlarge, spread, stretch


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


def test_enlarge_leaves_the_right_size_alone() -> None:
    maps = torch.rand(1, 2, 3, 4)
    assert enlarge(maps, (3, 4)) is maps
    assert enlarge(maps, torch.Size((6, 8))).shape == (1, 2, 6, 8)


def test_spread_against_a_naive_walk() -> None:
    maps, features = random(1, 2, 3), random(1, 4, 2, 3, seed=1)
    positions = features[0].flatten(1).T
    positions = positions - positions.mean(0)
    affinity = torch.zeros(6, 6, dtype=torch.float64)
    for i in range(6):
        for j in range(6):
            affinity[i, j] = functional.cosine_similarity(positions[i], positions[j], dim=0).clamp(min=0) ** 2
    expected = maps.flatten()
    for _ in range(2):
        expected = (affinity @ expected) / affinity.sum(1)
    torch.testing.assert_close(spread(maps, features, power=2.0, steps=2).flatten(), expected)


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
