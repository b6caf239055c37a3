from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from explanans.benchmark import statistics
from explanans.benchmark.statistics import bootstrap, miou_per_image, paired, sign_flip, specificity_per_image
from explanans.metrics import specificity_gap, specificity_matrix, voc_miou


def test_interval_of_a_share_is_that_of_the_binomial() -> None:
    # The resampled sum of 7 ones among 20 is Binomial(20, 0.35).
    values = np.array([1.0] * 7 + [0.0] * 13)
    low, high = bootstrap(values)
    assert low == pytest.approx(stats.binom.ppf(0.025, 20, 0.35) / 20)
    assert high == pytest.approx(stats.binom.ppf(0.975, 20, 0.35) / 20)
    # At 80 %: another share of the same distribution.
    low, high = bootstrap(values, level=0.8)
    assert (low, high) == pytest.approx(tuple(stats.binom.ppf([0.1, 0.9], 20, 0.35) / 20))


def test_interval_as_scipy_has_it() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=60)
    expected = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=5).confidence_interval
    assert bootstrap(values) == pytest.approx((expected.low, expected.high), abs=0.02)


def test_columns_and_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(0).normal(size=(30, 3))
    lows, highs = bootstrap(table, repeats=500)
    for k in range(3):
        assert bootstrap(table[:, k], repeats=500) == pytest.approx((lows[k], highs[k]), abs=1e-12)
    monkeypatch.setattr(statistics, "CHUNK", 64)
    again = bootstrap(table, repeats=500)
    assert again == (pytest.approx(lows), pytest.approx(highs))
    assert not np.allclose(bootstrap(table, repeats=500, seed=1)[0], lows)


def test_one_image_and_none() -> None:
    assert bootstrap(np.array([0.25])) == (0.25, 0.25)
    low, high = bootstrap(np.empty((0, 2)))
    assert low.shape == high.shape == (2,)
    assert np.isnan([low, high]).all()


def test_sign_flip_by_hand_and_as_scipy_has_it() -> None:
    # Of the 16 sign patterns only ++++ and −−−− reach the sum of 10.
    assert sign_flip(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(2 / 16, abs=0.01)
    # A tie counts: |±1 ± 1| ≥ 0 always.
    assert sign_flip(np.array([1.0, -1.0])) == 1.0
    assert sign_flip(np.zeros(5)) == 1.0
    differences = np.array([0.1, 0.3, -0.05, 0.2, 0.15, -0.1, 0.4, 0.02, 0.11])
    exact = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(differences) == pytest.approx(exact.pvalue, abs=0.01)
    assert sign_flip(-differences) == sign_flip(differences)
    # Never 0, whatever the difference: 10,000 flips cannot tell less than this.
    assert sign_flip(np.ones(100)) == 1 / 10_001
    assert np.isnan(sign_flip(np.empty(0)))


def test_paired_looks_at_each_image() -> None:
    generator = np.random.default_rng(0)
    hardness = generator.uniform(size=40)
    a, b = hardness + 0.05, hardness + generator.normal(0, 0.01, 40)
    found = paired(a, b)
    assert found.difference == pytest.approx((a - b).mean())
    # The images differ by far more than the methods.
    assert 0.04 < found.low < found.difference < found.high < 0.06
    assert found.p < 0.001
    assert (found.images, found.better) == (40, 1.0)
    same = paired(a, a)
    assert (same.difference, same.low, same.high, same.p, same.better) == (0, 0, 0, 1, 0.5)
    none = paired(a[:0], b[:0])
    assert none.images == 0
    assert np.isnan([none.difference, none.low, none.p, none.better]).all()


@pytest.mark.parametrize("absent", [False, True])
def test_the_mean_of_the_specificity_of_images_is_the_gap_of_the_matrix(absent: bool) -> None:
    generator = np.random.default_rng(2)
    values = generator.dirichlet(np.ones(4), size=(25, 4))
    labels = generator.random((25, 4)) < 0.4
    labels[np.arange(25), generator.integers(4, size=25)] = True
    if absent:
        labels[:, 2] = False
        labels[:, 0] = True
    expected = specificity_gap(specificity_matrix(torch.from_numpy(values), torch.from_numpy(labels)))
    assert specificity_per_image(values, labels).mean() == pytest.approx(expected.item())


def test_specificity_of_images_by_hand() -> None:
    # One image of each class: the gap is that of the two images' own, 0.9 − 0.3 and 0.6 − 0.2.
    values = np.array([[[0.9, 0.1], [0.3, 0.7]], [[0.8, 0.2], [0.4, 0.6]]])
    labels = np.eye(2, dtype=bool)
    assert specificity_per_image(values, labels) == pytest.approx([0.5, 0.5])
    # The same class twice: each image counts with its own gap.
    twice = np.array([[1, 0], [1, 0]], bool)
    assert specificity_per_image(values, twice) == pytest.approx([0.6, 0.4])
    assert np.isnan(specificity_per_image(values, np.zeros((2, 2), bool))).all()
    assert np.isnan(specificity_per_image(np.ones((2, 1, 1)), np.ones((2, 1), bool))).all()


def test_its_interval_is_that_of_resampled_matrices() -> None:
    generator = np.random.default_rng(4)
    values = generator.dirichlet(np.ones(3), size=(80, 3))
    labels = np.eye(3, dtype=bool)[generator.integers(3, size=80)] | (generator.random((80, 3)) < 0.2)
    low, high = bootstrap(specificity_per_image(values, labels))
    gaps = []
    for _ in range(1000):
        drawn = generator.integers(80, size=80)
        chosen = torch.from_numpy(values[drawn]), torch.from_numpy(labels[drawn])
        gaps.append(specificity_gap(specificity_matrix(*chosen)).item())
    assert (low, high) == pytest.approx(tuple(np.quantile(gaps, [0.025, 0.975])), abs=0.01)


def counts_of(generator: np.random.Generator, images: int) -> np.ndarray:
    either = generator.integers(1, 200, size=(images, 4))
    return np.stack([(either * generator.random((images, 4))).astype(int), either], 1).astype(float)


def test_the_mean_iou_of_images_is_that_of_the_data_set() -> None:
    counts = counts_of(np.random.default_rng(5), 30)
    counts[:, :, 2] = 0
    expected = voc_miou(torch.from_numpy(counts)).item()
    assert miou_per_image(counts).mean() == pytest.approx(expected)
    # Twice the same image: each is the data set.
    assert miou_per_image(np.stack([counts[0]] * 2)) == pytest.approx(
        [voc_miou(torch.from_numpy(counts[0])).item()] * 2
    )


def test_its_interval_is_that_of_resampled_data_sets() -> None:
    generator = np.random.default_rng(6)
    counts = counts_of(generator, 80)
    low, high = bootstrap(miou_per_image(counts))
    drawn = [voc_miou(torch.from_numpy(counts[generator.integers(80, size=80)])).item() for _ in range(2000)]
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.01)
