from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.report.benchmark_page import write_report
from explanans.benchmark.report.grid import disagreement
from explanans.benchmark.results import Results
from explanans.cli.main import main
from explanans.data import LabelledImages
from explanans.errors import InputError

from .conftest import method
from .pages import captions, drawings, page_of, tables


@pytest.fixture(scope="module")
def written(three: Path, scenes: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of ``three`` with its photos."""
    return write_report(Results.open(three), tmp_path_factory.mktemp("written"), data=scenes)


def test_the_page_stands_alone(written: Path) -> None:
    page = page_of(written)
    images = page.root.all("img")
    assert images
    assert all(image.attributes["alt"] for image in images)
    assert all(image.attributes["src"].startswith("data:image/webp;base64,") for image in images)
    nodes = page.root.all()
    links = [node.attributes[name] for node in nodes for name in ("href", "xlink:href") if name in node.attributes]
    places = {node.attributes.get("id") for node in nodes}
    assert links
    assert all(link.startswith("#") and link[1:] in places for link in links)
    assert not page.root.all("script", "link", "iframe")
    assert "@import" not in page.markup
    assert not re.search(r"url\((?!#)", page.markup)
    for drawn in re.findall(r"<svg.*?</svg>", page.markup, re.DOTALL):
        ElementTree.fromstring(drawn)
    assert len(page.markup) < 6_000_000
    assert (written.parent / "tables" / "resnet-all.tex").is_file()
    wanted = ["Photos", "All images (24)", "Quality against cost", "F1 and IoU over thresholds"]
    assert page.headings() == [*wanted, "Insertion and deletion", "Class specificity", "Failed and NaN"]
    # The contents lead to each of them.
    (contents,) = page.root.all("nav")
    assert [link.text for link in contents.all("a")] == page.headings()


def test_numbers_on_the_page_are_those_of_the_results(written: Path, three: Path) -> None:
    results, page = Results.open(three), page_of(written)
    themes = tables(page.section("All images (24)"))
    for column in ("iou_soft", "deletion", "saliency"):
        heading = COLUMNS[column].heading
        (table,) = [each for each in themes if heading in each.header and "failed" in each.header]
        place = table.header.index(heading)
        shown = {(cells[0], cells[1]): cells[place] for cells in table.rows}
        for row in results.summary(column):
            half = (row.high[column] - row.low[column]) / 2
            title = results.settings["methods"][row.method]["title"]
            assert shown[title, row.normalisation].rstrip("≈") == f"{row.mean[column]:.3f} ±{half:.3f}"
    matrix = results.specificity("resnet", "explainer")
    heats = page.section("Class specificity")
    names = [node.text for node in heats.all("h3")]
    heat = tables(heats)[names.index("Explainer")]
    assert heat.header[1:] == [cells[0] for cells in heat.rows] == results.classes("resnet")
    assert heat.rows[0][1] == f"{100 * matrix[0, 0]:.0f}"
    assert heat.rows[1][3] == f"{100 * matrix[1, 2]:.0f}"


def test_photos_first_unselected_then_by_disagreement(
    tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages
) -> None:
    def values(metric: str, name: str, index: int) -> float | None:
        # Disagreement grows with the place in the list.
        return 0.5 + (0.01 * index if name == "a" else -0.01 * index) if metric == "iou_soft" else None

    folder = make_results({"a": method("A"), "b": method("B")}, values=values, keep=12, groups=("segmentation",))
    results = Results.open(folder)
    metric, spread = disagreement(results, "resnet", ["a", "b"])
    assert metric == "iou_soft"
    assert spread[scenes.names[10]] == pytest.approx(0.1**2)
    photos = page_of(write_report(results, tmp_path, data=scenes)).section("Photos")
    shown = [heading.text for heading in photos.all("h3")]
    expected = [*scenes.names[:6], *(scenes.names[index] for index in (11, 10, 9, 8))]
    assert len(shown) == len(expected)
    assert all(name in text for name, text in zip(expected, shown, strict=True))


def test_failed_and_nan_maps_are_shown_and_counted(
    tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages
) -> None:
    methods = {"a": method("A"), "b": method("B", failed=(0,), nan=(1,))}
    folder = make_results(methods, groups=("segmentation",))
    page = page_of(write_report(Results.open(folder), tmp_path, data=scenes))
    alts = [image.attributes["alt"] for image in page.root.all("img")]
    assert any(alt.startswith("B for") and "failed: RuntimeError: <no> layer & no map" in alt for alt in alts)
    assert any(alt.startswith("B for") and alt.endswith("NaN") for alt in alts)
    listed = page.section("Failed and NaN").text
    assert "B: 1 failed, 1 NaN" in listed
    assert f"{scenes.names[0]}: failed, RuntimeError: <no> layer & no map" in listed
    assert f"{scenes.names[1]}: nan" in listed
    assert "fingerprint differs" not in page.text


def test_other_pictures_and_maps_not_asked_for_are_told(
    tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages
) -> None:
    folder = make_results({"a": method("A"), "b": method("B")}, groups=("segmentation",), keep=1)
    record = json.loads((folder / "benchmark.json").read_text())
    record["data"]["fingerprint"] = "another"
    record["methods"]["b"]["classes"] = "labels"
    (folder / "benchmark.json").write_text(json.dumps(record))
    photos = page_of(write_report(Results.open(folder), tmp_path, data=scenes)).section("Photos")
    assert "fingerprint differs" in photos.text
    assert captions(photos).count("B not asked for") == 1
    assert "A not asked for" not in captions(photos)


def test_one_method_alone(tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages) -> None:
    results = Results.open(make_results({"a": method("A")}, groups=("segmentation",)))
    page = page_of(write_report(results, tmp_path, data=scenes))
    assert "A is first" in page.text
    assert not {"Class specificity", "Insertion and deletion"} & set(page.headings())
    assert "disagree most" not in page.text


def test_twenty_methods(tmp_path: Path, make_results: Callable[..., Path]) -> None:
    methods = {
        f"m{k}": method(f"Method {k}", 0.2 + 0.03 * k, 3.0**k / 9, subset="shared" if k % 5 else "all")
        for k in range(20)
    }
    folder = make_results(methods, shared=4, keep=0, groups=("segmentation",))
    page = page_of(write_report(Results.open(folder), tmp_path, reference="m19"))
    # Seven have a colour.
    curves = drawings(page.section("F1 and IoU over thresholds"))
    assert sum("13 others" in texts for texts in curves) == 2
    assert "Difference to Method 19" in [node.text for node in page.root.all("summary")]
    everywhere, shared = drawings(page.section("Quality against cost"))
    assert all((f"Method {k}" in everywhere) == (k % 5 == 0) for k in range(20))
    assert all(f"Method {k}" in shared for k in range(20))
    files = {each.name for each in (tmp_path / "tables").glob("*.tex")}
    assert files == {"resnet-all.tex", "resnet-shared.tex", "resnet-cost.tex"}


def test_two_classifiers_stand_apart(tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages) -> None:
    methods = {"a": method("A"), "b": method("B", 0.3)}
    folder = make_results(methods, classifiers=("vgg", "resnet"), keep=2, groups=("segmentation",))
    page = page_of(write_report(Results.open(folder), tmp_path, data=scenes))
    assert {"vgg: Photos", "resnet: Photos"} <= set(page.headings())
    assert {each.name for each in (tmp_path / "tables").glob("*-all.csv")} == {"vgg-all.csv", "resnet-all.csv"}


def test_sanity_is_shown_where_it_was_measured(tmp_path: Path, make_results: Callable[..., Path]) -> None:
    folder = make_results({"a": method("A")}, groups=("segmentation",))
    stages = [{"layers": ["fc"], "spearman": 0.91, "ssim": 0.82, "failed": 0}, {"spearman": 0.1, "ssim": 0.2}]
    (folder / "sanity" / "resnet").mkdir(parents=True)
    (folder / "sanity" / "resnet" / "a.json").write_text(json.dumps({"randomised": "classifier", "stages": stages}))
    (table,) = tables(page_of(write_report(Results.open(folder), tmp_path)).section("Sanity: randomised weights"))
    assert table.header == ["method", "randomised", "stage 1", "stage 2", "no map"]
    assert table.rows == [["A", "classifier", "0.91 / 0.82", "0.10 / 0.20", "0"]]
    assert (
        "| A | classifier | 0.91 / 0.82 | 0.10 / 0.20 | 0 |" in (tmp_path / "tables" / "resnet-sanity.md").read_text()
    )
    assert (tmp_path / "tables" / "resnet-sanity.tex").is_file()


def test_what_cannot_be_used_is_said(
    tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_results({"a": method("A")}, groups=("segmentation",))
    results = Results.open(folder)
    with pytest.raises(InputError, match=r"reference='b' is none of the methods \['a'\]"):
        write_report(results, tmp_path, reference="b")
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "is no result of a benchmark" in capsys.readouterr().err
    record = json.loads((folder / "benchmark.json").read_text())
    record["data"]["source"] = "scenes:/not/there"
    (folder / "benchmark.json").write_text(json.dumps(record))
    text = page_of(write_report(Results.open(folder), tmp_path)).section("Photos").text
    assert "No photos are shown: " in text
    assert "/not/there" in text
    record["classifiers"]["resnet"]["classes"] = [*scenes.classes[1:], "x"]
    (folder / "benchmark.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="data has the classes"):
        write_report(Results.open(folder), tmp_path, data=scenes)
    for part in (folder / "scores").rglob("*.parquet"):
        part.unlink()
    with pytest.raises(InputError, match="has no scores yet"):
        write_report(Results.open(folder), tmp_path)


def test_the_command_writes_beside_the_results(
    three: Path, scenes: LabelledImages, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = scenes.paths[0].parents[1]
    assert main(["report", str(three), "--out", str(tmp_path), "--data", f"scenes:{root}"]) == 0
    assert (tmp_path / "report.html").as_uri() in capsys.readouterr().out
    first = (tmp_path / "report.html").read_bytes()
    assert b"<img" in first
    assert main(["report", str(three), "--out", str(tmp_path), "--data", f"scenes:{root}", "--quiet"]) == 0
    assert (tmp_path / "report.html").read_bytes() == first
    assert np.all([not path.name.startswith(".") for path in tmp_path.rglob("*")])
