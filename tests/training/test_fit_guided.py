from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.cli.main import main
from explanans.data import open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.training.fit_guided import guide
from explanans.training.localised import localised
from explanans.training.run_settings import Run

PREPROCESSING = Preprocessing(48, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
RUN = Run(max_epochs=1, batch_size=8, keep="last", patience=0, progress=False)


@pytest.fixture
def saved(classes: tuple[str, ...], tmp_path: Path) -> Path:
    torch.manual_seed(0)
    arguments = {"num_classes": len(classes), "widths": [4, 8, 8]}
    classifier = Explanandum(
        SmallResNet(**arguments),  # type: ignore[arg-type]
        classes=classes,
        activation="sigmoid",
        preprocessing=PREPROCESSING,
        source=Source("explanans:small_resnet", arguments),
    )
    return classifier.save(tmp_path / "classifier")


def test_from_a_saved_classifier_to_a_guided_one(saved: Path, scenes: str, out: Path) -> None:
    folder = guide(saved, scenes, share=0.5, looked_at=4, run=RUN, out=out)
    before, after = Explanandum.load(saved), Explanandum.load(folder)
    said = json.loads((folder / "explanandum.json").read_text())
    assert said["guided"]["from"] == before.weights_hash != after.weights_hash
    assert said["guided"]["layers"] == ["blocks"]
    # Half of the pictures that have a label.
    training = open_dataset(scenes, "train", preprocessing=PREPROCESSING)
    assert said["guided"]["pictures"] == round(0.5 * int(training.labels.any(1).sum()))
    # A quarter of each batch.
    assert said["guided"]["beside"] == 2
    assert set(said["before"]["metrics"]) == set(said["metrics"]) >= {"f1_micro", "map", "blank"}
    assert set(said["before"]["evidence"]) == set(said["evidence"]) >= {"grad_cam", "guided_backprop"}
    held_out = open_dataset(scenes, "val", classes=after.classes, preprocessing=PREPROCESSING)
    assert localised(after, held_out, 4) == said["evidence"]


def test_the_command_says_before_and_after(
    saved: Path, scenes: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["guide", str(saved), scenes, "--out", str(out), "--looked_at", "2"]
    words += ["--run.max_epochs", "1", "--run.batch_size", "12", "--loss", "rrr", "--evidence", "outside"]
    assert main(words) == 0
    captured = capsys.readouterr().out
    assert "before  after" in captured
    assert "Grad-CAM: evidence on the regions" in captured


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"loss": "lowest"}, "loss='lowest'; take one of energy"),
        ({"regions": "dots"}, "regions='dots'; take 'boxes' or 'masks'"),
        ({"evidence": "above"}, "evidence='above'; take 'inside' or 'outside'"),
        ({"evidence": "outside", "loss": "ppce"}, "asks for evidence everywhere in a region"),
        ({"share": 0}, "share"),
        ({"share": 1.5}, "share"),
        ({"swapped": 0.5}, "swapped with evidence=.inside."),
        ({"evidence": "outside", "swapped": 2}, "swapped"),
        ({"sharpened": -1}, "sharpened"),
        ({"evidence": "outside", "sharpened": 1}, "sharpened with evidence=.outside."),
        ({"beside": 8}, "beside=8; give a whole number from 0 to 7"),
        ({"weight": -1}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"layers": []}, "layers: the list is empty"),
        ({"layers": ["nowhere"]}, "nowhere"),
        ({"looked_at": -1}, "looked_at"),
        ({"trainable_from": "nowhere"}, "trainable_from='nowhere' is no part"),
    ],
)
@pytest.mark.bad_input
def test_settings_that_mean_nothing(
    saved: Path, scenes: str, out: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        guide(saved, scenes, run=RUN, out=out, **{"looked_at": 0, **changes})
    assert not (out / "classifier").exists()


@pytest.mark.bad_input
def test_data_without_regions(saved: Path, classes: tuple[str, ...], tmp_path: Path, out: Path, scenes: str) -> None:
    bare = open_dataset(scenes, "train", classes=classes, preprocessing=PREPROCESSING, segmentation=False)
    with pytest.raises(InputError, match="without its segmentations"):
        guide(saved, bare, run=RUN, out=out)


@pytest.mark.bad_input
def test_a_classifier_that_cannot_be_guided(classes: tuple[str, ...], scenes: str, out: Path) -> None:
    box = Explanandum.from_function(
        lambda pictures: [[0.5] * len(classes)] * len(pictures), classes=classes, preprocessing=PREPROCESSING
    )
    with pytest.raises(InputError, match="gradients"):
        guide(box, scenes, run=RUN, out=out)
    module = SmallResNet(len(classes), (4, 8))
    loose = Explanandum(module, classes=classes, activation="sigmoid", preprocessing=PREPROCESSING)
    with pytest.raises(InputError, match="a module in hand cannot be saved"):
        guide(loose, scenes, run=RUN, out=out)


def test_the_last_layer_alone_on_balanced_pictures(saved: Path, scenes: str, out: Path) -> None:
    options: dict[str, Any] = {"evidence": "outside", "weight": 0.0, "swapped": 0.5, "balanced": True}
    folder = guide(saved, scenes, trainable_from="head", looked_at=0, run=RUN, out=out, **options)
    said = json.loads((folder / "explanandum.json").read_text())["guided"]
    assert (said["swapped"], said["balanced"], said["weight"]) == (0.5, True, 0.0)
    before, after = (dict(Explanandum.load(each).module.named_parameters()) for each in (saved, folder))
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("head") for name in moved)
