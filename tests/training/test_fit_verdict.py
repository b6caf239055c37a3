"""The verdict as the end of a training: what is left, what is said, and what becomes of it when it is interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from explanans.data import open_dataset
from explanans.explainers.explainer import Explainer
from explanans.training import Verdict, fit_explainer
from explanans.training.verdict import EXPLAINER, RECORD, VERDICT
from explanans.utils.records import read_json

from .explainer_runs import MOVED, Build, train, with_run


@MOVED
def test_it_is_left_in_the_folder_and_on_the_explainer_and_is_said(
    scenes: str, explainer: Build, whole: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole, out)
    own = explainer()
    train(own, scenes, out, verdict=Verdict(images=5), run=with_run(progress=True))
    found = read_json(out / VERDICT, RECORD)
    assert found["pictures"] == 5
    assert EXPLAINER in found["rows"]
    assert "Grad-CAM" in " ".join(found["rows"]) or "Spread-CAM" in found["rows"]
    said = capsys.readouterr().out.splitlines()
    # The training did without the segmentations, which scenes have.
    drawn = f"{found['drawn']} of objects that are drawn"
    assert found["drawn"] > 0
    assert f"verdict on 5 pictures: {found['masks']} masks, {drawn}, {found['montages']} montages" in said
    assert found["says"] in said
    loaded = Explainer.from_pretrained(out / "explainer", explanandum=own.explanandum)
    assert loaded.facts["verdict"] == own.facts["verdict"] == found
    assert found["says"] in (out / "explainer" / "README.md").read_text()


def test_a_segmentation_that_cannot_be_read_costs_the_objects_and_not_the_verdict(
    scenes: str, explainer: Build, out: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = explainer()
    held_out = open_dataset(scenes, "val", classes=own.classes, preprocessing=own.explanandum.preprocessing)
    (broken := tmp_path / "broken.png").write_text("no picture")
    held_out.segmentations = (broken,) * len(held_out)
    run = with_run(progress=True, max_epochs=1)
    train(own, scenes, out, validation=held_out.without_segmentation(), verdict=Verdict(images=3), run=run)
    assert read_json(out / VERDICT, RECORD)["drawn"] == 0
    assert "verdict without the drawn objects: " in capsys.readouterr().out


def test_none_is_made_where_none_is_wanted(whole: Path) -> None:
    assert not (whole / VERDICT).exists()


@MOVED
def test_an_interrupted_verdict_is_made_again_with_the_same_bytes(
    scenes: str, explainer: Build, whole: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(whole, out)
    shutil.copytree(whole, other)
    train(explainer(), scenes, other, verdict=Verdict(images=4))

    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit_explainer, "measured", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(explainer(), scenes, out, verdict=Verdict(images=4))
    # The Explainer is there already.
    assert (out / "explainer" / "config.json").exists()
    assert not (out / VERDICT).exists()
    train(explainer(), scenes, out, verdict=Verdict(images=4))
    for file in (VERDICT, "explainer/config.json", "explainer/README.md"):
        assert (out / file).read_bytes() == (other / file).read_bytes(), file
