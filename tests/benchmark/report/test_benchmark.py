from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from explanans.benchmark.report.benchmark import write_report
from explanans.benchmark.report.grid import disagreement
from explanans.benchmark.report.table_files import chosen_table
from explanans.benchmark.results import Results
from explanans.cli.main import main
from explanans.data import LabelledImages
from explanans.errors import InputError

VOID = {"meta", "img", "br", "hr", "link", "input"}
EVIL = '<script>alert("x")</script> & $x'


class Page(HTMLParser):
    """What a test asks of a page; complains where tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        if "id" in found:
            self.ids.append(str(found["id"]))
        self.links += [str(found[name]) for name in ("href", "src", "xlink:href") if name in found]
        if tag == "img":
            self.images.append(found)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def method(title: str, quality: float = 0.5, ms: float = 10.0, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"kind": "any", "subset": "all", "normalisations": ("raw",), "failed": (), "nan": ()}
    return {**base, "title": title, "quality": quality, "ms": ms, "missing": (), **changes}


def test_the_page_stands_alone(tmp_path: Path, three: Path, scenes: LabelledImages) -> None:
    path = write_report(Results.open(three), tmp_path, data=scenes)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.images
    assert all(image["alt"] for image in page.images)
    assert all(link.startswith(("data:image/webp;base64,", "#")) for link in page.links)
    anchors = [link for link in page.links if link.startswith("#part-")]
    assert anchors
    assert {link[1:] for link in anchors} <= set(page.ids)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    for drawn in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(drawn)
    assert len(text) < 6_000_000
    assert (tmp_path / "tables" / "resnet-all.tex").is_file()
    for word in ("Quality against cost", "F1 and IoU over thresholds", "Insertion and deletion", "Class specificity"):
        assert f">{word}</h2>" in text


def test_numbers_on_the_page_are_those_of_the_results(tmp_path: Path, three: Path) -> None:
    results = Results.open(three)
    text = write_report(results, tmp_path).read_text(encoding="utf-8")
    for row in results.summary("iou_soft", "deletion", "saliency"):
        for column, mean in row.mean.items():
            half = (row.high[column] - row.low[column]) / 2
            assert f">{mean:.3f}&thinsp;<small>±{half:.3f}</small>" in text
    matrix = results.specificity("resnet", "explainer")
    assert f">{100 * matrix[0, 0]:.0f}</td>" in text
    assert "No photos are shown" in text


def test_photos_first_unselected_then_by_disagreement(
    tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages
) -> None:
    def values(metric: str, name: str, index: int) -> float | None:
        # Disagreement grows with the place in the list.
        return 0.5 + (0.01 * index if name == "a" else -0.01 * index) if metric == "iou_soft" else None

    results = Results.open(make_results({"a": method("A"), "b": method("B")}, values=values, keep=12))
    metric, spread = disagreement(results, "resnet", ["a", "b"])
    assert metric == "iou_soft"
    assert spread[scenes.names[10]] == pytest.approx(0.1**2)
    text = write_report(results, tmp_path, data=scenes).read_text(encoding="utf-8")
    shown = re.findall(r'<section class="photo"><h3>.*?<span class="soft">(\w+)', text)
    assert shown == [*scenes.names[:6], *(scenes.names[index] for index in (11, 10, 9, 8))]


def test_failed_and_nan_maps_are_shown_and_counted(
    tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages
) -> None:
    methods = {"a": method("A"), "b": method("B", failed=(0,), nan=(1,))}
    text = write_report(Results.open(make_results(methods)), tmp_path, data=scenes).read_text(encoding="utf-8")
    page = Page(text)
    alts = [str(image["alt"]) for image in page.images]
    assert any(alt.startswith("B for") and "failed: RuntimeError: <no> layer & no map" in alt for alt in alts)
    assert any(alt.startswith("B for") and alt.endswith("NaN") for alt in alts)
    assert "B: 1 failed, 1 NaN" in text
    assert "fingerprint differs" not in text
    assert "&lt;no&gt; layer &amp; no map" in text


def test_other_pictures_and_maps_not_asked_for_are_told(
    tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages
) -> None:
    folder = make_results({"a": method("A"), "b": method("B")}, groups=("segmentation",), keep=1)
    record = json.loads((folder / "benchmark.json").read_text())
    record["data"]["fingerprint"] = "another"
    record["methods"]["b"]["classes"] = "labels"
    (folder / "benchmark.json").write_text(json.dumps(record))
    text = write_report(Results.open(folder), tmp_path, data=scenes).read_text(encoding="utf-8")
    assert "fingerprint differs" in text
    assert text.count("<b>B</b><br>not asked for") == 1
    assert text.count("<b>A</b><br>not asked for") == 0


def test_odd_names_are_text(tmp_path: Path, make_results: Callable[..., Path]) -> None:
    folder = make_results({"odd": method(EVIL), "b": method("B", 0.4, 99.0)})
    record = json.loads((folder / "benchmark.json").read_text())
    record["classifiers"]["resnet"]["classes"][0] = EVIL
    record["data"]["name"] = EVIL
    (folder / "benchmark.json").write_text(json.dumps(record))
    text = write_report(Results.open(folder), tmp_path).read_text(encoding="utf-8")
    assert "<script" not in text
    assert "script" not in Page(text).tags
    for drawn in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        assert "&lt;script&gt;" in drawn
        assert "$x" in drawn


def test_one_method_alone(tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages) -> None:
    results = Results.open(make_results({"a": method("A")}, groups=("segmentation",)))
    text = write_report(results, tmp_path, data=scenes).read_text(encoding="utf-8")
    Page(text)
    assert "A is first" in text
    assert "Class specificity</h2>" not in text
    assert "Insertion and deletion" not in text
    assert "disagree most" not in text


def test_twenty_methods(tmp_path: Path, make_results: Callable[..., Path]) -> None:
    methods = {
        f"m{k}": method(f"Method {k}", 0.2 + 0.03 * k, 3.0**k / 9, subset="shared" if k % 5 else "all")
        for k in range(20)
    }
    folder = make_results(methods, shared=4, keep=0, groups=("segmentation",))
    text = write_report(Results.open(folder), tmp_path, reference="m19").read_text(encoding="utf-8")
    Page(text)
    # Seven have a colour.
    assert text.count("13 others") == 2
    assert "Difference to Method 19" in text
    section = text.split("Quality against cost</h2>")[1].split("<h2")[0]
    everywhere, shared = re.findall(r"<svg.*?</svg>", section, re.DOTALL)
    assert all((f">Method {k}<" in everywhere) == (k % 5 == 0) for k in range(20))
    assert all(f">Method {k}<" in shared for k in range(20))
    tables = {each.name for each in (tmp_path / "tables").glob("*.tex")}
    assert tables == {"resnet-all.tex", "resnet-shared.tex", "resnet-cost.tex"}


def test_two_classifiers_stand_apart(tmp_path: Path, make_results: Callable[..., Path], scenes: LabelledImages) -> None:
    methods = {"a": method("A"), "b": method("B", 0.3)}
    folder = make_results(methods, classifiers=("vgg", "resnet"), keep=2, groups=("segmentation",))
    text = write_report(Results.open(folder), tmp_path, data=scenes).read_text(encoding="utf-8")
    Page(text)
    assert ">vgg: Photos</h2>" in text
    assert ">resnet: Photos</h2>" in text
    assert {each.name for each in (tmp_path / "tables").glob("*-all.csv")} == {"vgg-all.csv", "resnet-all.csv"}


def test_sanity_is_shown_where_it_was_measured(tmp_path: Path, make_results: Callable[..., Path]) -> None:
    folder = make_results({"a": method("A")}, groups=("segmentation",))
    stages = [{"layers": ["fc"], "spearman": 0.91, "ssim": 0.82, "failed": 0}, {"spearman": 0.1, "ssim": 0.2}]
    (folder / "sanity" / "resnet").mkdir(parents=True)
    (folder / "sanity" / "resnet" / "a.json").write_text(json.dumps({"randomised": "classifier", "stages": stages}))
    text = write_report(Results.open(folder), tmp_path).read_text(encoding="utf-8")
    assert "<td>0.91 / 0.82</td><td>0.10 / 0.20</td>" in text
    assert (
        "| A | classifier | 0.91 / 0.82 | 0.10 / 0.20 | 0 |" in (tmp_path / "tables" / "resnet-sanity.md").read_text()
    )
    assert (tmp_path / "tables" / "resnet-sanity.tex").is_file()


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


def test_a_chosen_table_counts_what_failed(make_results: Callable[..., Path]) -> None:
    folder = make_results({"a": {**method("A"), "failed": (1,)}}, groups=("segmentation",))
    assert "| images | failed | NaN |" in chosen_table(Results.open(folder), ["area"])


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
    text = write_report(Results.open(folder), tmp_path).read_text(encoding="utf-8")
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
