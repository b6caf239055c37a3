from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from tests.benchmark.report.pages import Page, captions, drawings, tables

from explanans.benchmark.report.demo_page import spotlight
from explanans.pipelines.demo import Recipe, run_demo

TINY = Recipe(train=24, val=8, test=20, classifier_epochs=1, explainer_epochs=1)


def test_a_miniature_demo_from_end_to_end_and_again(tmp_path: Path) -> None:
    said: list[str] = []
    result = run_demo(tmp_path / "demo", recipe=TINY, progress=False, say=said.append)
    assert [line[:3] for line in said] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    page = Page(result.report.read_text(encoding="utf-8"))
    assert captions(page.section("Pictures that nobody picked")).count("picture") == 12
    assert len(drawings(page.section("Training"))) == 3
    assert "explanans fit" in page.section("How to go on").text
    rows = result.results.summary("iou_soft", "iou_best", "saliency")
    assert [row.method for row in rows] == ["explainer", "grad_cam", "constant_half", "constant_1"]
    (table,) = tables(page.section("Against Grad-CAM and constants"))
    assert [cells[0] for cells in table.rows] == ["Explainer", "Grad-CAM", "constant 0.5", "constant 1"]
    assert table.cell("Grad-CAM", "IoU (soft) ↑") == f"{rows[1].mean['iou_soft']:.3f}"
    assert table.cell("Grad-CAM", "best t") == f"{result.results.threshold('small_resnet', 'grad_cam'):.2f}"
    lowest = min(rows, key=lambda row: row.mean["saliency"])
    assert (lowest.title, "saliency metric ↓") in table.best
    assert result.results.folder == tmp_path / "demo" / "benchmark"

    checkpoint = tmp_path / "demo" / "explainer" / "last.ckpt"
    before = checkpoint.stat().st_mtime_ns
    again = run_demo(tmp_path / "demo", recipe=TINY, progress=False, say=said.append)
    assert checkpoint.stat().st_mtime_ns == before
    assert again.results.summary("iou_soft", "iou_best", "saliency") == rows


def test_a_spotlight_keeps_what_the_mask_keeps() -> None:
    picture = Image.new("RGB", (2, 1), (200, 0, 100))
    shown = np.asarray(spotlight(picture, np.array([[1.0, 0.0]], np.float32)))
    assert shown[0, 0].tolist() == [200, 0, 100]
    # Grey of 100 turned pale: 205 + 0.2 · (100 − 128).
    assert shown[0, 1].tolist() == [199, 199, 199]
