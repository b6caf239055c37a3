from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics import MapSimilarity, map_similarity


def example() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(4, 20, 17, generator=generator)
    second = first + torch.tensor([0.1, 1.0, 5.0, 0.5])[:, None, None] * torch.randn(4, 20, 17, generator=generator)
    first[3], second[3] = first[3].round(), second[3].round()  # many ties
    return first, second


def test_spearman_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    first, second = example()
    expected = [stats.spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(map_similarity(first, second)["spearman"].numpy(), expected, atol=1e-5)


def test_structural_similarity_agrees_with_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    first, second = example()
    expected = []
    for pair in zip(first.double().numpy(), second.double().numpy(), strict=True):
        # It leaves out windows that reach beyond the border; ours are over the mirrored border, so it gets that to see.
        one, other = (np.pad((m - m.min()) / (m.max() - m.min()), 5, mode="reflect") for m in pair)
        expected.append(
            metrics.structural_similarity(
                one, other, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
        )
    np.testing.assert_allclose(map_similarity(first, second)["ssim"].numpy(), expected, atol=1e-4)


def test_hand_worked_values() -> None:
    first = torch.arange(121.0).view(1, 11, 11)
    # Ranks do not see a rising change of the values, and turn their sign with their order.
    assert map_similarity(first, first.square())["spearman"].item() == pytest.approx(1)
    assert map_similarity(first, -first)["spearman"].item() == pytest.approx(-1)
    same = map_similarity(first, 3 * first - 8)
    assert (same["spearman"].item(), same["ssim"].item()) == (pytest.approx(1), pytest.approx(1))
    assert map_similarity(first, -first)["ssim"].item() < 0


def test_constant_maps() -> None:
    constant, other = torch.full((1, 12, 12), 0.4), torch.rand(1, 12, 12)
    assert map_similarity(constant, other)["spearman"].item() == 0
    assert map_similarity(constant, constant + 1)["spearman"].item() == 1
    assert map_similarity(constant, constant)["ssim"].item() == pytest.approx(1)
    state = MapSimilarity()
    state.update(constant, other)
    assert (state.empty_count, state.nan_count) == (1, 0)


def test_nan_is_the_worst_score_and_is_counted() -> None:
    first, second = example()
    first[0, 0, 0], second[1, 5, 5] = torch.nan, torch.inf
    values = map_similarity(first, second)
    assert values["spearman"][:2].tolist() == values["ssim"][:2].tolist() == [1, 1]
    state = MapSimilarity()
    state.update(first[:, None], second[:, None])
    for name, mean in state.compute().items():
        torch.testing.assert_close(mean, values[name].mean())
    assert (state.nan_count, state.count, state.higher_is_better) == (2, 4, False)


def test_bad_input() -> None:
    for first, second in ((torch.rand(1, 12, 12), torch.rand(1, 12, 13)), (torch.rand(1, 10, 12),) * 2):
        with pytest.raises(InputError, match="sides ≥ 11"):
            map_similarity(first, second)
    with pytest.raises(InputError, match="second is torch"):
        map_similarity(torch.rand(1, 12, 12), torch.ones(1, 12, 12).long())
