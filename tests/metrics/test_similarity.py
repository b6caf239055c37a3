from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import MapSimilarity, map_similarity


def example() -> tuple[Tensor, Tensor]:
    """Five pairs of related maps, some values tied."""
    generator = torch.Generator().manual_seed(4)
    first = torch.randn(5, 17, 14, generator=generator)
    second = first + torch.randn(5, 17, 14, generator=generator)
    second[2] = (second[2] * 2).round()
    first[3] = (first[3] > 1).float()
    second[3] = -second[3]
    return first, second


def test_a_map_is_like_itself() -> None:
    first, _ = example()
    values = map_similarity(first, first)
    torch.testing.assert_close(values["spearman"], torch.ones(5))
    torch.testing.assert_close(values["ssim"], torch.ones(5))


def test_neither_scale_nor_offset_counts() -> None:
    first, second = example()
    values, scaled = map_similarity(first, second), map_similarity(first * 8, second * 0.5 - 3)
    torch.testing.assert_close(scaled["spearman"], values["spearman"])
    torch.testing.assert_close(scaled["ssim"], values["ssim"], rtol=1e-4, atol=1e-5)


def test_hand_worked_rank_correlation() -> None:
    rising = torch.arange(121.0).view(1, 11, 11)
    assert map_similarity(rising, (rising / 40).exp())["spearman"].item() == pytest.approx(1)
    assert map_similarity(rising, -(rising**3))["spearman"].item() == pytest.approx(-1)
    # Upside down rows: the ranks are i = 11 y + x and 11 (10 − y) + x, each coordinate of variance 10,
    # so the correlation is (10 − 1210) / (10 + 1210).
    assert map_similarity(rising, rising.flip(1))["spearman"].item() == pytest.approx(-1200 / 1220, rel=1e-5)
    # Two values in each, of which 60 of 121 are high, on the first and on the last pixels: for ties this is the phi
    # coefficient, −60 · 60 / (60 · 61) as no pixel is high in both.
    high = (rising < 60).float()
    assert map_similarity(high, (rising >= 61).float())["spearman"].item() == pytest.approx(-60 / 61, rel=1e-5)


def test_rank_correlation_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    first, second = example()
    expected = [
        stats.spearmanr(a.numpy().ravel(), b.numpy().ravel()).statistic for a, b in zip(first, second, strict=True)
    ]
    np.testing.assert_allclose(map_similarity(first, second)["spearman"].numpy(), expected, atol=1e-5)


def test_ranks_of_a_large_map_are_exact_enough() -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 1, 224, 224, generator=generator)
    expected = stats.spearmanr(first.numpy().ravel(), second.numpy().ravel()).statistic
    assert map_similarity(first, second)["spearman"].item() == pytest.approx(expected, abs=1e-5)


def mirrored(map_: Tensor) -> np.ndarray:
    """The min–max normalised map in float64, mirrored by half a window so that every pixel is the middle of one."""
    values = map_.double().numpy()
    return np.pad((values - values.min()) / (values.max() - values.min()), 5, mode="reflect")


def naive_ssim(first: Tensor, second: Tensor) -> float:
    """Mean over the 11 × 11 windows around all pixels, Wang et al. 2004, in float64."""
    a, b = mirrored(first), mirrored(second)
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    values = []
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            p, q = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
            m, n = (window * p).sum(), (window * q).sum()
            v, w = (window * (p - m) ** 2).sum(), (window * (q - n) ** 2).sum()
            both = (window * (p - m) * (q - n)).sum()
            values.append((2 * m * n + 0.01**2) * (2 * both + 0.03**2) / ((m**2 + n**2 + 0.01**2) * (v + w + 0.03**2)))
    return float(np.mean(values))


def test_structural_similarity_agrees_with_a_loop() -> None:
    first, second = example()
    expected = [naive_ssim(a, b) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(map_similarity(first, second)["ssim"].numpy(), expected, atol=1e-4)


def test_structural_similarity_agrees_with_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    first, second = example()
    expected = []
    for pair in zip(first, second, strict=True):
        # Theirs leaves out half a window at the edges, which is what was added.
        a, b = (mirrored(map_) for map_ in pair)
        expected.append(
            metrics.structural_similarity(
                a, b, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
        )
    np.testing.assert_allclose(map_similarity(first, second)["ssim"].numpy(), expected, atol=1e-4)


def test_constant_maps() -> None:
    first = example()[0][:3]
    constant = torch.full_like(first, 0.7)
    assert map_similarity(first, constant)["spearman"].tolist() == [0] * 3
    assert map_similarity(constant, first)["spearman"].tolist() == [0] * 3
    both = map_similarity(constant, constant * 2)
    assert both["spearman"].tolist() == [1] * 3
    torch.testing.assert_close(both["ssim"], torch.ones(3))
    assert (map_similarity(first, constant)["ssim"] < 0.5).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_is_the_worst_value_and_is_counted(value: float) -> None:
    first, second = example()
    good = map_similarity(first, second)
    first[1, 0, 0] = value
    second[4, 3, 3] = value
    values = map_similarity(first, second)
    for name in ("spearman", "ssim"):
        assert values[name][[1, 4]].tolist() == [1, 1]
        torch.testing.assert_close(values[name][[0, 2, 3]], good[name][[0, 2, 3]])
    state = MapSimilarity()
    state.update(first, second)
    for name, mean in state.compute().items():
        assert mean.item() == pytest.approx(values[name].mean().item())
    assert (state.nan_count.item(), state.empty_count.item(), state.count.item()) == (2, 0, 5)


def test_constant_maps_are_counted() -> None:
    first, second = example()
    first[0] = 2.0
    state = MapSimilarity()
    state.update(first, second)
    assert (state.nan_count.item(), state.empty_count.item()) == (0, 1)


def test_the_means_do_not_depend_on_how_images_are_spread() -> None:
    first, second = example()
    second[4] = torch.nan
    whole, one, other = MapSimilarity(), MapSimilarity(), MapSimilarity()
    whole.update(first, second)
    one.update(first[:2], second[:2])
    other.update(first[2:], second[2:])
    one.merge_state(other)
    for name, values in map_similarity(first, second).items():
        torch.testing.assert_close(one.compute()[name], whole.compute()[name])
        torch.testing.assert_close(whole.compute()[name], values.mean())
    assert one.nan_count == whole.nan_count == 1
    assert whole.higher_is_better is False


def test_a_channel_of_one_is_accepted() -> None:
    first, second = example()
    for name, values in map_similarity(first[:, None], second).items():
        torch.testing.assert_close(values, map_similarity(first, second)[name], rtol=0, atol=0)


def test_bad_input() -> None:
    first, second = example()
    for message, call in {
        "give one shape": lambda: map_similarity(first, second[:, 1:]),
        "sides ≥ 11": lambda: map_similarity(first[:, :10], second[:, :10]),
        "second is torch.int64": lambda: map_similarity(first, second.long()),
        "first has shape": lambda: map_similarity(first[0], second),
    }.items():
        with pytest.raises(InputError, match=message):
            call()
