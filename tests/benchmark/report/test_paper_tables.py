from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explanans.benchmark.report import paper_tables
from explanans.benchmark.report.comparison import Comparison, compare_all
from explanans.benchmark.report.cost_and_sanity import cost_rows, significant
from explanans.benchmark.report.photo_kinds import kind_tables
from explanans.benchmark.report.table_files import write_tables
from explanans.benchmark.results import Results

EVIL = r"a_b & 50% {c} <i>|$x$ \ é"


def only(folder: Path) -> tuple[Results, Comparison]:
    results = Results.open(folder)
    return results, compare_all(results, "resnet", results.reference)[0]


def odd(folder_of: Callable[..., Path]) -> tuple[Results, Comparison]:
    base: dict[str, Any] = {
        "kind": "any",
        "subset": "all",
        "ms": 1.0,
        "failed": (),
        "nan": (),
        "normalisations": ("raw",),
    }
    methods = {
        "odd": {**base, "title": EVIL, "quality": 0.5, "missing": ()},
        "partial": {**base, "title": "partial", "quality": 0.4, "missing": ("road", "pointing")},
    }
    return only(folder_of(methods))


def test_markdown_holds_the_numbers_and_the_marks(three: Path) -> None:
    results, comparison = only(three)
    lines = paper_tables.to_markdown(results, comparison, ["iou_soft", "saliency"]).splitlines()
    assert lines[0] == "| method | normalisation | IoU (soft) ↑ | saliency metric ↓ | images | failed | NaN |"
    assert len(lines) == 2 + 4
    best = comparison.cells[0, "iou_soft"]
    assert lines[2].startswith(f"| Explainer | raw | **{best.mean:.3f}** ±{best.half:.3f} |")
    assert lines[3].startswith("| Grad-CAM | minmax |")
    assert lines[3].endswith("| 24 | 0 | 1 |")
    assert lines[5].startswith("| constant 1 |")


def test_csv_has_every_number_in_full(three: Path) -> None:
    results, comparison = only(three)
    rows = list(csv.DictReader(io.StringIO(paper_tables.to_csv(results, comparison))))
    assert len(rows) == len(comparison.rows) * len(comparison.columns)
    row = next(each for each in rows if each["method"] == "grad_cam" and each["metric"] == "road")
    summary = next(each for each in results.summary("road") if each.method == "grad_cam")
    assert float(row["mean"]) == summary.mean["road"]
    assert float(row["low"]) == pytest.approx(summary.low["road"])
    assert float(row["high"]) == pytest.approx(summary.high["road"])
    assert row["higher_is_better"] == "yes"
    assert row["nan"] == "1"


def test_what_is_missing_is_a_dash(make_results: Callable[..., Path]) -> None:
    results, comparison = odd(make_results)
    assert "road" in comparison.columns
    text = paper_tables.to_markdown(results, comparison, ["road", "iou_soft"])
    assert "| partial | raw | – |" in text
    assert "nan" not in text.replace("NaN", "")


def test_odd_names_are_escaped(make_results: Callable[..., Path]) -> None:
    results, comparison = odd(make_results)
    line = paper_tables.to_markdown(results, comparison, ["iou_soft"]).splitlines()[2]
    assert line.startswith(r"| a\_b &amp; 50% {c} &lt;i>\|$x$ \\ é | raw |")
    assert len(re.findall(r"(?<!\\)\|", line)) == 7
    typeset = paper_tables.to_latex(results, comparison, ["iou_soft"], "100 % & more")
    assert r"a\_b \& 50\% \{c\} \textless{}i\textgreater{}\textbar{}\$x\$ \textbackslash{} é & raw" in typeset
    assert r"\caption{100 \% \& more}" in typeset


def test_latex_is_whole(three: Path) -> None:
    results, comparison = only(three)
    for columns in paper_tables.themes(comparison).values():
        text = paper_tables.to_latex(results, comparison, columns, "Scores")
        assert text.count("{") == text.count("}")
        body = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {len(columns) + 1}
        assert not re.search(r"[^\x00-\x7f]", text)
        for word in (r"\toprule", r"\bottomrule", r"\mathbf{", r"$\uparrow$"):
            assert word in text or columns[0] == "whole"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles(tmp_path: Path, make_results: Callable[..., Path]) -> None:
    results, comparison = odd(make_results)
    pieces = [
        paper_tables.to_latex(results, comparison, each, name) for name, each in paper_tables.themes(comparison).items()
    ]
    pieces.append(paper_tables.plain_latex(*cost_rows(results, "resnet"), "Cost"))
    packages = r"\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}"
    text = "\n".join([r"\documentclass{article}", packages, r"\begin{document}", *pieces, r"\end{document}"])
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def test_costs_are_legible_and_sorted(three: Path) -> None:
    header, lines = cost_rows(Results.open(three), "resnet")
    assert header[:2] == ["method", "ms per image ↓"]
    assert [line[0] for line in lines] == ["constant 1", "Explainer", "Grad-CAM"]
    assert lines[0][1] == "0.0200"
    assert [significant(value) for value in (60000.0, 1234.5, 0.012345, 3.14159, "cpu", 0)] == [
        *("60,000", "1,234", "0.0123", "3.14", "cpu", "0")
    ]


def test_scores_by_kind_of_photo(make_results: Callable[..., Path]) -> None:
    groups = ("classes", "segmentation", "kept")
    methods = {
        "explainer": {"title": "Explainer", "kind": "any", "subset": "all", "quality": 0.7, "ms": 1.0, "failed": (),
                      "nan": (), "normalisations": ("raw", "minmax"), "missing": ()},
    }  # fmt: skip
    results, comparison = only(
        make_results(
            methods,
            groups=groups,
            values=lambda metric, method, index: {"object_area": 0.05 if index < 4 else 0.5}.get(metric),
        )
    )
    found = kind_tables(results, comparison)
    assert list(found) == ["IoU per class (soft) ↑", "probability, kept ↑"]
    header, lines = found["IoU per class (soft) ↑"]
    assert [title for title in header if "objects" in title] == ["small objects (4)", "large objects (20)"]
    assert len(lines) == 1
    values = results.rows("resnet", "explainer", "raw")["class_iou_soft"].to_numpy()
    assert lines[0][0] == "Explainer"
    assert lines[0][header.index("small objects (4)")].split()[0] == f"{values[:4].mean():.3f}"
    write_tables(results, {"resnet": [comparison]}, results.folder)
    assert "IoU per class (soft) ↑ by kind of photo: all images, resnet" in (results.folder / "tables.md").read_text()
