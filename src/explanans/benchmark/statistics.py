"""How much of a difference is chance: bootstrap intervals over the images, and a paired test."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REPEATS = 10_000
CHUNK = 1 << 23
"""Numbers that are drawn at once (64 MB)."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """Method a against method b on the same images.

    Attributes:
        difference: mean of a − b.
        low, high: its 95 % bootstrap interval.
        p: of the sign-flip test, two-sided, not corrected for the number of comparisons.
        images: how many both were scored on.
        better: share of the images on which a is higher; ties count half.
    """

    difference: float
    low: float
    high: float
    p: float
    images: int
    better: float


def bootstrap(values: Values, *, level: float = 0.95, repeats: int = REPEATS, seed: int = 0) -> tuple[Values, Values]:
    """Percentile bootstrap intervals of the means (Efron 1979).

    n images are drawn with replacement from the n there are, ``repeats`` times; the interval lies between the
    (1 − level)/2 and (1 + level)/2 quantiles of the means. All columns are drawn together, and the draws depend on
    ``seed`` and n alone.

    Args:
        values: (n,) or (n, k), one row for each image, all finite.

    Returns:
        low and high, of shape () or (k,); NaN where there is no image.
    """
    table = values.reshape(len(values), math.prod(values.shape[1:]))
    count, columns = table.shape
    if not count:
        empty = np.full(values.shape[1:], np.nan)
        return empty, empty
    generator = np.random.default_rng(seed)
    means = np.empty((repeats, columns))
    step = max(1, CHUNK // count)
    for start in range(0, repeats, step):
        rows = min(step, repeats - start)
        drawn = generator.integers(count, size=(rows, count))
        # How often each image was drawn: then one product serves every column.
        drawn += np.arange(rows)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        means[start : start + rows] = times @ table / count
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low.reshape(values.shape[1:]), high.reshape(values.shape[1:])


def sign_flips(differences: Values, *, repeats: int = REPEATS, seed: int = 0) -> Values:
    """Two-sided p of paired differences under "each could as well have had the other sign" (Fisher's randomisation).

    p = (1 + #{|mean(s ∘ d)| ≥ |mean(d)|}) / (1 + repeats) with random signs s, so it is never 0. It assumes no
    distribution. All columns meet the same signs, which depend on ``seed`` and n alone: a table needs hundreds of tests
    on the same images, and one product of matrices answers them all.

    Args:
        differences: (n, k), a row for each image.

    Returns:
        (k,); 1 where all differences are 0, NaN for a column that is not finite, and where there is no image.
    """
    count, columns = differences.shape
    if not count:
        return np.full(columns, np.nan)
    finite = np.isfinite(differences).all(0)
    table = np.where(finite, differences, 0.0)
    observed = np.abs(table.sum(0))
    # Sums in another order differ in their last digits, which must not break ties.
    observed -= 1e-12 * np.abs(table).sum(0)
    reached = np.zeros(columns, dtype=np.int64)
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // count)
    for start in range(0, repeats, step):
        rows = min(step, repeats - start)
        signs = 2.0 * generator.integers(2, size=(rows, count)) - 1
        reached += (np.abs(signs @ table) >= observed).sum(0)
    return np.where(finite, (1 + reached) / (1 + repeats), np.nan)


def sign_flip(differences: Values, *, repeats: int = REPEATS, seed: int = 0) -> float:
    """:func:`sign_flips` of the differences (n,) of one pair of methods."""
    return float(sign_flips(differences[:, None], repeats=repeats, seed=seed)[0])


def paired(a: Values, b: Values, *, level: float = 0.95, repeats: int = REPEATS, seed: int = 0) -> Paired:
    """Compare two methods by their scores (n,) on the same n images, in the same order."""
    differences = a - b
    low, high = bootstrap(differences, level=level, repeats=repeats, seed=seed)
    count = len(differences)
    return Paired(
        difference=float(differences.mean()) if count else float("nan"),
        low=float(low),
        high=float(high),
        p=sign_flip(differences, repeats=repeats, seed=seed),
        images=count,
        better=float((differences > 0).mean() + (differences == 0).mean() / 2) if count else float("nan"),
    )


def miou_per_image(counts: Values) -> Values:
    """One number for each image whose mean is the mean IoU of the data set, :func:`explanans.metrics.voc_miou`.

    The IoU of a class is r = Σ I / Σ U over all images. Each image gets their mean plus its first-order influence on
    it, n · mean over the classes of (I_n − r U_n) / Σ U, as in :func:`specificity_per_image`.

    Args:
        counts: (n, 2, C + 1), intersections and unions; classes without a union are left out.

    Returns:
        (n,).
    """
    both, either = counts.sum(0)
    seen = either > 0
    ratios = both[seen] / either[seen]
    influence = (counts[:, 0, seen] - ratios * counts[:, 1, seen]) / either[seen]
    return ratios.mean() + len(counts) * influence.mean(1)


def specificity_per_image(specificity: Values, labels: NDArray[np.bool_]) -> Values:
    """One number for each image whose mean is the class specificity, mean of the diagonal − mean off it.

    The matrix M has at [r, c] the mean over images with label r of v[n, c, r]: softmax probability of r on the image
    through the mask of class c. A mean over images with some label is no mean over all images, so each image gets the
    gap plus its first-order influence on it, n · Σ_{r in Y} (d_r(v_n) − d_r(M)) / (N_r · R), where d_r is r's own entry
    minus the mean of the others, N_r the images with label r and R the classes that occur. Intervals and paired tests
    of these numbers are those of the gap (infinitesimal jackknife, Efron 1981).

    Args:
        specificity: (n, C, C), [image, class of the mask, class that is asked].
        labels: (n, C) multi-hot.

    Returns:
        (n,).
    """
    count, classes = labels.shape
    if classes < 2:
        return np.full(count, np.nan)
    own = np.einsum("ncc->nc", specificity)
    others = (specificity.sum(1) - own) / (classes - 1)
    gaps = own - others
    images = labels.sum(0)
    present = images > 0
    if not present.any():
        return np.full(count, np.nan)
    share = labels[:, present] / images[present]
    means = (gaps[:, present] * share).sum(0)
    influence = (share * (gaps[:, present] - means)).sum(1) * count / present.sum()
    return means.mean() + influence
