from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from explanans.benchmark.report.baselines import advice, best_blind, warning
from explanans.benchmark.report.benchmark_page import write_report
from explanans.benchmark.results import Results
from explanans.benchmark.summary_row import Row

from .conftest import method
from .pages import Page

Make = Callable[..., Path]


def results_of(make_results: Make, given: dict[str, float]) -> Results:
    """Every image has the method's value at every score of overlap."""

    def values(metric: str, name: str, index: int) -> float | None:
        return given[name] if metric in ("iou_soft", "iou_mean", "iou_best", "f1_soft", "f1_mean", "f1_best") else None

    methods = {name: method(name.upper(), kind=name) for name in given}
    return Results.open(make_results(methods, groups=("segmentation",), values=values))


def rows_of(results: Results) -> list[Row]:
    return results.summary("iou_soft")


def test_a_constant_that_wins_is_named_with_both_numbers(make_results: Make) -> None:
    results = results_of(make_results, {"a": 0.851, "b": 0.5, "constant_1": 0.987, "constant_0": 0.1})
    found = best_blind(results, rows_of(results), "iou_soft")
    assert found is not None
    assert (found.row.method, found.best.method, [row.method for row in found.below]) == ("constant_1", "a", ["a", "b"])
    assert found.wins
    said = warning(results, rows_of(results))
    assert said.startswith("Beware: a mask that looks at nothing is at least as good as every method in IoU (soft) ")
    assert "(CONSTANT_1 0.987, the best method 0.851)" in said
    assert "--background" in said


def test_the_truth_is_no_method_and_a_constant_below_the_best_is_no_danger(make_results: Make) -> None:
    given = {"a": 0.6, "b": 0.2, "constant_1": 0.3, "ground_truth": 1.0}
    results = results_of(make_results, given)
    found = best_blind(results, rows_of(results), "iou_soft")
    assert found is not None
    assert not found.wins
    assert [row.method for row in found.below] == ["b"]
    assert warning(results, rows_of(results)) == advice(results, rows_of(results)) == ""


def test_where_no_constant_was_measured_the_reader_is_told(make_results: Make) -> None:
    results = results_of(make_results, {"a": 0.6})
    assert best_blind(results, rows_of(results), "iou_soft") is None
    assert warning(results, rows_of(results)) == ""
    assert "add constant_1 to the methods" in advice(results, rows_of(results))
    # Scores that have nothing to do with regions need none.
    assert advice(results, results.summary("whole")) == ""


@pytest.mark.parametrize("winner", [0.9, 0.4])
def test_the_page_and_the_tables_warn(make_results: Make, tmp_path: Path, winner: float) -> None:
    results = results_of(make_results, {"a": 0.6, "b": 0.2, "constant_1": winner})
    page = Page(write_report(results, tmp_path).read_text(encoding="utf-8"))
    warnings = [node.text for node in page.root.all("p") if "warning" in node.marks]
    assert bool(warnings) == (winner > 0.6)
    assert ("Beware" in (tmp_path / "tables.md").read_text(encoding="utf-8")) == (winner > 0.6)
    (finding,) = [node.text for node in page.root.all("li") if node.text.startswith("IoU (soft)")]
    below = "A, B" if winner > 0.6 else "B"
    assert finding.endswith(f"CONSTANT_1, which looks at nothing, has {winner:.3f}, more than {below}.")
