"""The ways in which a classifier sees a class: clusters of what its masks keep."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanans.audit.looked import vectors
from explanans.errors import InputError

MOST_WAYS = 6
FEWEST = 10
"""Cut-outs of a way on average, at least: 30 cut-outs have no more than 3 ways."""
APART = 0.2
"""Silhouette from which clusters count as such."""
JUDGED = 1000
TYPICAL = 8

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Way:
    """One way to see a class.

    Attributes:
        name: of the class.
        number: of the way, from 0, the most frequent first.
        photos: cut-outs of it in the sample; ``share`` of the class's.
        typical: photos (numbers in the data) whose cut-outs lie nearest to its centre.
        members: all its photos in the sample.
        right: share that is labelled; None where labels are unknown.
        labels: of its photos, how often each other class is seen in the same photo's receipts as kept too.
        means: of kept, removed, area and score.
        holding: share whose mask holds.
        on_object: mean share of the masks inside and on the border of the object; None where nobody knows.
        alike: mean of the common parts of two cut-outs' colour histograms, in [0, 1].
        centre: of its features.
    """

    name: str
    number: int
    photos: int
    share: float
    typical: list[int]
    members: list[int]
    right: float | None
    labels: dict[str, int]
    means: dict[str, float]
    holding: float
    on_object: float | None
    alike: float
    centre: Vectors

    def facts(self) -> dict[str, Any]:
        """Without what only a program needs."""
        return {key: value for key, value in vars(self).items() if key not in ("centre", "members")}


def cluster(features: Vectors, seed: int = 0) -> NDArray[np.int64]:
    """Which cluster each row of (N, K) belongs to, the largest is 0.

    k-means (scikit-learn) for k = 2 … 6, at least ten rows for each cluster; the k with the highest mean silhouette
    (Rousseeuw 1987; of at most 1000 rows) is taken, and all are one cluster where none reaches 0.2.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import KMeans
        from sklearn.metrics import silhouette_score
    except ModuleNotFoundError as error:
        raise InputError(
            "an audit needs scikit-learn, which is not installed: pip install 'explanans[audit]'."
        ) from error
    found = np.zeros(len(features), np.int64)
    different = len(np.unique(features, axis=0))
    best = APART
    for count in range(2, min(MOST_WAYS, len(features) // FEWEST, different - 1) + 1):
        labels = KMeans(count, n_init=4, random_state=seed).fit_predict(features)
        if len(np.unique(labels)) < 2:
            continue
        some = min(JUDGED, len(features))
        score = silhouette_score(features, labels, sample_size=some, random_state=seed)
        if score > best:
            best, found = score, labels
    order = np.argsort(-np.bincount(found), kind="stable")
    return np.argsort(order)[found].astype(np.int64)


def ways_of(rows: pa.Table, seed: int = 0) -> list[Way]:
    """The ways of one class from its sample; none of a class without a cut-out whose features can be used."""
    rows = rows.filter(rows["features"].is_valid())
    if not len(rows):
        return []
    features, tones = vectors(rows, "features"), vectors(rows, "colours")
    belongs = cluster(features, seed)
    ways = []
    for number in range(int(belongs.max()) + 1):
        inside = np.flatnonzero(belongs == number)
        ways.append(_way(rows.take(inside), number, len(rows), features[inside], tones[inside]))
    return ways


def _way(rows: pa.Table, number: int, of: int, features: Vectors, tones: Vectors) -> Way:
    centre = features.mean(0)
    nearest = np.argsort(((features - centre) ** 2).sum(1), kind="stable")[:TYPICAL]
    indices = rows["index"].to_pylist()
    labelled = [value for value in rows["labelled"].to_pylist() if value is not None]
    known = [value for value in rows["outside"].to_pylist() if value is not None]
    return Way(
        rows["class"][0].as_py(),
        number,
        len(rows),
        len(rows) / of,
        [indices[place] for place in nearest],
        indices,
        sum(labelled) / len(labelled) if labelled else None,
        dict(Counter(filter(None, rows["other"].to_pylist())).most_common()),
        {name: _mean(rows, name) for name in ("kept", "removed", "area", "score")},
        sum(word == "holds" for word in rows["word"].to_pylist()) / len(rows),
        1 - sum(known) / len(known) if known else None,
        alike(tones),
        centre,
    )


def alike(tones: Vectors) -> float:
    """Mean over pairs of rows of Σ min(a, b), the common part of two histograms; of at most 100 rows, 0 for one."""
    some = tones[:100]
    if len(some) < 2:
        return 0.0
    common = np.minimum(some[:, None], some[None]).sum(2)
    pairs = len(some) * (len(some) - 1)
    return float((common.sum() - np.trace(common)) / pairs)


def assign(features: Vectors, ways: list[Way]) -> NDArray[np.int64]:
    """The nearest way's number for each row of features (N, K)."""
    centres = np.stack([way.centre for way in ways])
    return np.array([way.number for way in ways])[((features[:, None] - centres) ** 2).sum(2).argmin(1)]


def _mean(rows: pa.Table, name: str) -> float:
    values = [value for value in rows[name].to_pylist() if value is not None]
    return sum(values) / len(values) if values else float("nan")
