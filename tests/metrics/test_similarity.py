from __future__ import annotations

import pytest
import torch

from explanans.errors import InputError
from explanans.metrics import MapSimilarity, map_similarity


def test_spearman_equals_scipy_ties_included() -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = torch.Generator().manual_seed(0)
    first = (torch.rand(4, 12, 13, generator=generator) * 6).floor()
    second = (first + 4 * torch.rand(4, 12, 13, generator=generator)).floor()
    got = map_similarity(first, second)["spearman"]
    for n in range(4):
        expected = stats.spearmanr(first[n].flatten().numpy(), second[n].flatten().numpy()).statistic
        assert got[n].item() == pytest.approx(expected, abs=1e-5)


def test_ssim_equals_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.rand(1, 32, 32, generator=generator) for _ in range(2))
    second = 0.6 * first + 0.4 * second
    got = map_similarity(first, second)["ssim"].item()
    one, other = (((each - each.min()) / (each.max() - each.min()))[0].numpy() for each in (first, second))
    expected = metrics.structural_similarity(
        one, other, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert got == pytest.approx(expected, abs=0.02)


def test_the_same_map_is_1_and_its_opposite_is_ranked_backwards() -> None:
    maps = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0))
    alike = map_similarity(maps, 3 * maps + 2)
    torch.testing.assert_close(alike["spearman"], torch.ones(1))
    torch.testing.assert_close(alike["ssim"], torch.ones(1))
    torch.testing.assert_close(map_similarity(maps, -maps)["spearman"], -torch.ones(1))


def test_constant_maps() -> None:
    constant, other = torch.ones(1, 16, 16), torch.rand(1, 16, 16)
    assert map_similarity(constant, 2 * constant)["spearman"].item() == 1
    assert map_similarity(constant, other)["spearman"].item() == 0


def test_nan_counts_as_unchanged() -> None:
    maps = torch.rand(2, 16, 16)
    broken = maps.clone()
    broken[0, 0, 0] = torch.nan
    metric = MapSimilarity()
    metric.update(maps, broken)
    assert {name: round(value.item(), 5) for name, value in metric.compute().items()} == {"spearman": 1, "ssim": 1}
    assert int(metric.nan_count) == 1


def test_maps_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(InputError, match="sides ≥ 11"):
        map_similarity(torch.ones(1, 8, 8), torch.ones(1, 8, 8))
