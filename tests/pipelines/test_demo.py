from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explanans.benchmark.report.demo import spotlight
from explanans.pipelines.demo import Recipe, run_demo

TINY = Recipe(train=48, val=16, test=20, classifier_epochs=1, explainer_epochs=1)


def test_a_miniature_demo_from_end_to_end_and_again(tmp_path: Path) -> None:
    said: list[str] = []
    result = run_demo(tmp_path / "demo", recipe=TINY, progress=False, say=said.append)
    assert [line[:3] for line in said] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    page = result.report.read_text()
    assert page.count('<div class="scene">') == 12
    assert page.count("<svg") == 3
    for word in ("Explainer", "Grad-CAM", "constant 0.5", "removed&nbsp;", "explanans fit"):
        assert word in page
    saved = json.loads((tmp_path / "demo" / "evaluation.json").read_text())
    assert [row["method"] for row in saved["rows"]] == ["explainer", "grad_cam", "constant_half", "constant_1"]
    assert set(result.evaluation["explainer"].scores) >= {"iou_soft", "iou_best"}

    checkpoint = tmp_path / "demo" / "explainer" / "last.ckpt"
    before = checkpoint.stat().st_mtime_ns
    again = run_demo(tmp_path / "demo", recipe=TINY, progress=False, say=said.append)
    assert checkpoint.stat().st_mtime_ns == before
    assert again.evaluation["explainer"].scores == pytest.approx(result.evaluation["explainer"].scores)


def test_a_spotlight_keeps_what_the_mask_keeps() -> None:
    picture = Image.new("RGB", (2, 1), (200, 0, 100))
    shown = np.asarray(spotlight(picture, np.array([[1.0, 0.0]], np.float32)))
    assert shown[0, 0].tolist() == [200, 0, 100]
    # Grey of 100 turned pale: 205 + 0.2 · (100 − 128).
    assert shown[0, 1].tolist() == [199, 199, 199]
