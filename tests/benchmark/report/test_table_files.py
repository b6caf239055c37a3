from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from explanans.benchmark.report.table_files import chosen_table
from explanans.benchmark.results import Results
from explanans.cli.main import main
from explanans.data import LabelledImages
from explanans.errors import InputError

from .conftest import method


def test_a_table_of_chosen_columns(
    tmp_path: Path, make_results: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_results({"a": method("A", 0.2), "b": method("B", 0.8)}, groups=("segmentation",))
    before = sorted(path for path in folder.rglob("*"))
    assert main(["report", str(folder), "--columns", "iou_soft, area"]) == 0
    header, rule, *rows = capsys.readouterr().out.splitlines()
    assert header == "| method | normalisation | IoU (soft) ↑ | area |"
    assert rule == "|---|---|--:|--:|"
    assert [row.split(" | ")[0] for row in rows] == ["| B", "| A"]
    # The same cells as in the table of all columns.
    mean = Results.open(folder).summary("iou_soft")[1].mean["iou_soft"]
    assert rows[0].split(" | ")[2].startswith(f"**{mean:.3f}** ±")
    assert sorted(path for path in folder.rglob("*")) == before
    for wrong, complaint in (("iou_soft,beauty", "beauty"), ("insertion", "insertion"), ("", "columns")):
        assert main(["report", str(folder), "--columns", wrong]) == 2
        assert complaint in capsys.readouterr().err
    assert main(["report", str(folder), "--columns", "area", "--classifier", "vgg"]) == 2
    assert "'vgg' is none of ['resnet']" in capsys.readouterr().err


def test_a_table_of_one_kind_of_photos(make_results: Callable[..., Path], scenes: LabelledImages) -> None:
    several = scenes.labels.sum(1) > 1

    def values(metric: str, name: str, index: int) -> float | None:
        return (0.25 if several[index] else 0.75) if metric == "iou_soft" else None

    results = Results.open(make_results({"a": method("A")}, groups=("segmentation",), values=values))
    for photos, expected in (("one label", "0.750"), ("several labels", "0.250")):
        table = chosen_table(results, ["iou_soft"], photos=photos)
        assert f"| A | raw | **{expected}** ±0.000 |" in table
    with pytest.raises(InputError, match="photos='odd'; take one of one label, several labels"):
        chosen_table(results, ["iou_soft"], photos="odd")


def test_a_chosen_table_counts_what_failed(make_results: Callable[..., Path]) -> None:
    folder = make_results({"a": {**method("A"), "failed": (1,)}}, groups=("segmentation",))
    assert "| images | failed | NaN |" in chosen_table(Results.open(folder), ["area"])
