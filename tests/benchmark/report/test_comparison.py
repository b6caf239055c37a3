from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explanans.benchmark.report.comparison import compare, compare_all, holm
from explanans.benchmark.report.score_table import score_table
from explanans.benchmark.results import Results
from explanans.benchmark.statistics import sign_flip, sign_flips

from .pages import Page

PLAIN: dict[str, Any] = {"kind": "any", "subset": "all", "normalisations": ("raw",), "failed": (), "nan": ()}


def plain(title: str, quality: float = 0.5, ms: float = 10.0, **changes: Any) -> dict[str, Any]:
    return {"title": title, "quality": quality, "ms": ms, "missing": (), **PLAIN, **changes}


def test_many_tests_at_once_are_the_tests_one_by_one() -> None:
    differences = np.random.default_rng(0).normal(0.1, 1, (30, 4))
    differences[:, 3] = 0
    expected = [sign_flip(column, seed=3) for column in differences.T]
    assert sign_flips(differences, seed=3).tolist() == expected
    assert expected[3] == 1
    differences[0, 0] = np.inf
    assert np.isnan(sign_flips(differences)).tolist() == [True, False, False, False]
    assert np.isnan(sign_flips(differences[:0])).all()


def test_holm_by_hand() -> None:
    # Ascending 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1; the last two would fall below the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    corrected = holm([0.6, math.nan, 0.7])
    assert corrected[0] == 1
    assert math.isnan(corrected[1])
    assert corrected[2] == 1


def test_marks_of_a_case_made_by_hand(make_results: Callable[..., Path]) -> None:
    # b is a tenth better than a on every image, c alternates around b, constant 1 is better than all.
    given = {"a": 0.4, "b": 0.5, "constant_1": 0.9}

    def values(metric: str, method: str, index: int) -> float | None:
        if metric == "iou_soft":
            return given[method] if method in given else 0.499 + (0.1 if index % 2 else -0.1)
        return None

    methods = {name: plain(name.upper()) for name in ("a", "b", "c")}
    methods["constant_1"] = plain("constant 1", kind="constant_1")
    results = Results.open(make_results(methods, values=values, groups=("segmentation",)))
    found = compare(results, "resnet", "all", "a")
    assert found is not None
    assert [row.method for row in found.rows] == ["b", "c", "a", "constant_1"]
    assert [found.cells[row, "iou_soft"].mark for row in range(4)] == ["best", "level", "", ""]
    assert found.better_baselines("iou_soft") == [3]
    # The sign of every difference is the same: 1 of 2^24 draws at best, so p is the smallest there is, times two.
    assert found.cells[2, "iou_soft"].p == pytest.approx(2 / 10_001)
    assert found.versus[0, "iou_soft"][0] == pytest.approx(0.1)
    assert found.best("area") is None
    assert found.cells[0, "iou_soft"].half == pytest.approx(0)


def test_a_mask_that_explains_nothing_is_named_where_it_wins_but_not_the_truth(
    make_results: Callable[..., Path],
) -> None:
    given = {"a": 0.5, "constant_1": 0.6, "ground_truth": 1.0}

    def values(metric: str, method: str, index: int) -> float | None:
        return given[method] if metric == "iou_soft" else None

    methods = {name: plain(name.upper(), kind=name) for name in given}
    results = Results.open(make_results(methods, values=values, groups=("segmentation",)))
    (found,) = compare_all(results, "resnet", "a")
    assert [row.method for row in found.rows] == ["a", "ground_truth", "constant_1"]
    said = Page(score_table(results, found, ["iou_soft"])).text
    assert said.endswith("What explains nothing is better than every method in: IoU (soft) (CONSTANT_1).")


def test_numbers_are_those_of_the_results(three: Path) -> None:
    results = Results.open(three)
    (found,) = compare_all(results, "resnet", "explainer")
    assert found.baselines == 1
    assert found.rows[-1].method == "constant_1"
    for place, row in enumerate(found.rows):
        for column in ("iou_soft", "deletion", "specificity_gap"):
            values = results.values(column, "resnet", row.method, row.normalisation)[1]
            assert found.cells[place, column].mean == pytest.approx(values.mean())
            assert found.cells[place, column].images == 24
    test = results.paired("deletion", "resnet", "grad_cam", "explainer")
    own = next(place for place in found.own if found.rows[place].method == "grad_cam")
    assert found.versus[own, "deletion"][0] == pytest.approx(test.difference)
    assert found.scored["max_sensitivity"] == 8
    assert found.cells[own, "deletion"].p >= test.p


def test_all_images_and_shared_ones_never_mix(make_results: Callable[..., Path]) -> None:
    methods = {
        "fast": plain("Fast"),
        "slow": plain("Slow", subset="shared"),
        "other": plain("Other", 0.3),
    }
    results = Results.open(make_results(methods, shared=10))
    everything, shared = compare_all(results, "resnet")
    assert (everything.subset, everything.images, shared.images) == ("all", 24, 10)
    assert {row.method for row in everything.rows} == {"fast", "other"}
    assert {row.method for row in shared.rows} == {"fast", "slow", "other"}
    assert all(row.images == 10 for row in shared.rows)
    assert all(everything.scored[column] == 24 for column in everything.columns if column != "max_sensitivity")
    place = next(place for place, row in enumerate(shared.rows) if row.method == "fast")
    values = results.values("iou_soft", "resnet", "fast", subset="shared")[1]
    assert len(values) == 10
    assert shared.cells[place, "iou_soft"].mean == pytest.approx(values.mean())


def test_a_method_on_fewer_images_shows_and_does_not_compete(make_results: Callable[..., Path]) -> None:
    folder = make_results({"a": plain("A", 0.4), "b": plain("B", 0.9)})
    (folder / "scores" / "resnet" / "b" / "part-00001.parquet").unlink()
    found = compare(Results.open(folder), "resnet", "all")
    assert found is not None
    ahead = next(place for place, row in enumerate(found.rows) if row.method == "b")
    assert found.cells[ahead, "iou_soft"].short
    assert found.cells[ahead, "iou_soft"].images == 16
    best = found.best("iou_soft")
    assert best is not None
    assert found.rows[best].method == "a"


def test_nothing_done_is_no_table(make_results: Callable[..., Path]) -> None:
    folder = make_results({"a": plain("A")})
    for part in (folder / "scores").rglob("*.parquet"):
        part.unlink()
    assert compare_all(Results.open(folder), "resnet") == []
