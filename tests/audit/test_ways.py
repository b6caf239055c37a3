from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from explanans.audit.ways import alike, assign, cluster, ways_of
from explanans.errors import InputError

Make = Callable[..., pa.Table]


def two_heaps(count: int = 40) -> np.ndarray:
    """Three quarters near (1, 0), one quarter near (0, 1)."""
    noise = np.random.default_rng(0).normal(0, 0.02, (count, 2))
    return (noise + np.where(np.arange(count)[:, None] % 4 == 0, (0, 1), (1, 0))).astype(np.float32)


def test_two_heaps_are_two_clusters_the_larger_first() -> None:
    assert cluster(two_heaps()).tolist() == [int(n % 4 == 0) for n in range(40)]


def test_one_heap_is_one_cluster() -> None:
    even = np.random.default_rng(0).normal(0, 1, (60, 8)).astype(np.float32)
    assert set(cluster(even).tolist()) == {0}


@pytest.mark.bad_input
@pytest.mark.parametrize("count", [1, 2, 60])
def test_all_alike_and_a_single_one_are_one_cluster(count: int) -> None:
    assert set(cluster(np.ones((count, 4), np.float32)).tolist()) == {0}


def test_a_way_says_what_its_cut_outs_are(make_rows: Make) -> None:
    features = two_heaps()
    labelled = [bool(n % 8) for n in range(40)]
    outside = [None if n % 4 else 0.8 for n in range(40)]
    more = {"labelled": labelled, "outside": outside, "kept": [0.5] * 40, "other": ["cat"] + [None] * 39}
    first, second = ways_of(make_rows(features, **more))
    assert (first.photos, first.share, first.right, first.on_object) == (30, 0.75, 1.0, None)
    assert (second.photos, second.right, second.labels) == (10, 0.5, {"cat": 1})
    assert second.on_object == pytest.approx(0.2)
    assert second.means["kept"] == 0.5
    assert set(second.typical) <= set(range(0, 40, 4))
    assert assign(features[:4], [first, second]).tolist() == [1, 0, 0, 0]


@pytest.mark.bad_input
def test_features_that_are_nan_are_left_out(make_rows: Make) -> None:
    features = two_heaps()
    features[0] = np.nan
    assert sum(way.photos for way in ways_of(make_rows(features))) == 39
    assert ways_of(make_rows(features * np.nan)) == []


def test_alike_by_hand() -> None:
    tones = np.array([[1, 0], [0.5, 0.5], [0, 1]], np.float32)
    # The pairs have 0.5, 0 and 0.5 in common.
    assert alike(tones) == pytest.approx(1 / 3)
    assert alike(tones[:1]) == 0


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(InputError, match=r"pip install 'explanans\[audit\]'"):
        cluster(two_heaps())
