"""Names of classifiers, methods and classes that would steer a page, a terminal, a spreadsheet or a file system."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from explanans.benchmark.report.benchmark_page import write_report
from explanans.benchmark.results import Results
from explanans.cli.main import main
from explanans.data import LabelledImages

from .conftest import method
from .pages import drawings, page_of, tables

EVIL = '<script>alert("x")</script> & $x'


def test_odd_names_are_text(tmp_path: Path, make_results: Callable[..., Path]) -> None:
    folder = make_results({"odd": method(EVIL), "b": method("B", 0.4, 99.0)})
    record = json.loads((folder / "benchmark.json").read_text())
    record["classifiers"]["resnet"]["classes"][0] = EVIL
    record["data"]["name"] = EVIL
    (folder / "benchmark.json").write_text(json.dumps(record))
    page = page_of(write_report(Results.open(folder), tmp_path))
    assert not page.root.all("script")
    assert EVIL in page.headings(1)[0]
    assert all(EVIL in [cells[0] for cells in table.rows] for table in tables(page.section("All images (24)"))[:4])
    assert EVIL in tables(page.section("Class specificity"))[0].header
    assert all(any(EVIL in text for text in drawn) for drawn in drawings(page.root))


def test_what_steers_terminals_and_spreadsheets_is_shown_and_does_nothing(
    tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_results({"odd": method("=1+1\x1b[31m\u202e"), "b": method("-2+3", 0.4), "c": method("@x\udce9", 0.3)})
    record = json.loads((folder / "benchmark.json").read_text())
    record["classifiers"]["resnet"]["classes"][0] = "\x1b[2Jcat\x07"
    record["data"]["name"] = "a\x00b\r\nc"
    (folder / "benchmark.json").write_text(json.dumps(record))
    results = Results.open(folder)
    page = page_of(write_report(results, tmp_path))
    written = [path.read_text(encoding="utf-8") for path in (tmp_path / "tables").iterdir()]
    for text in (page.markup, (tmp_path / "tables.md").read_text(encoding="utf-8"), *written):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert r"\x1b[2Jcat\x07" in tables(page.section("Class specificity"))[0].header
    with (tmp_path / "tables" / "resnet-all.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["title"] for row in rows} == {r"'=1+1\x1b[31m\u202e", "'-2+3", r"'@x\xe9"}
    # Negative numbers stay numbers.
    assert min(float(row["difference_to_reference"] or 0) for row in rows) < 0
    with (tmp_path / "tables" / "resnet-cost.csv").open(encoding="utf-8", newline="") as file:
        assert {row["title"][0] for row in csv.DictReader(file)} == {"'"}
    assert main(["report", str(folder), "--columns", "iou_soft"]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["../../up", "/etc/passwd", "", "a/b", "a\nb"])
@pytest.mark.parametrize("kind", ["classifiers", "methods"])
def test_names_that_leave_the_folder_are_refused(
    make_results: Callable[..., Path], name: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_results({"a": method("A")}, groups=("segmentation",))
    record = json.loads((folder / "benchmark.json").read_text())
    record[kind][name] = next(iter(record[kind].values()))
    (folder / "benchmark.json").write_text(json.dumps(record))
    before = sorted(folder.parent.rglob("*"))
    assert main(["report", str(folder)]) == 2
    assert f"names {name!r}" in capsys.readouterr().err
    assert sorted(folder.parent.rglob("*")) == before
