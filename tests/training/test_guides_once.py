"""Guides that are made once: whose they are, and a training that learns from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.data import loader, open_dataset
from explanans.explainers.explainer import Explainer
from explanans.objectives import Guided
from explanans.training import guides_once
from explanans.training.guides_once import with_guides

from .conftest import PREPROCESSING
from .explainer_runs import rows, train, with_run

ONCE = Guided(once=True, scales=(1.0,))


def spatial(classes: tuple[str, ...]) -> Explanandum:
    torch.manual_seed(0)
    return Explanandum(SmallResNet(len(classes)), classes=classes, activation="sigmoid", preprocessing=PREPROCESSING)


def test_each_picture_has_the_guides_of_its_labels(scenes: str, classes: tuple[str, ...]) -> None:
    classifier = spatial(classes)
    dataset = open_dataset(scenes, "val", classes=classes, preprocessing=PREPROCESSING, segmentation=False)
    found = with_guides(dataset, ONCE, classifier)
    for index in range(len(dataset)):
        sample = found[index]
        alone = ONCE.guides(sample["image"][None], sample["labels"][None], classifier, (56, 56))
        assert sample["maps"].shape == (int(sample["labels"].sum()), 56, 56)
        # Rounding differs with the size of a batch.
        assert (sample["maps"].int() - alone.int()).abs().float().mean() < 2
    batch = next(iter(loader(found, 3)))
    assert torch.equal(batch["maps"], torch.cat([found[index]["maps"] for index in range(3)]))
    assert "maps" not in dataset[0]


def test_a_guide_is_mirrored_with_its_picture(scenes: str, classes: tuple[str, ...]) -> None:
    dataset = open_dataset(scenes, "val", classes=classes, preprocessing=PREPROCESSING, segmentation=False)
    found = with_guides(dataset, ONCE, spatial(classes))
    kept = found[0]["maps"]
    found.augment = v2.RandomHorizontalFlip(1.0)
    # 56 columns become 48 and 56 again, so that one may differ.
    assert (found[0]["maps"].flip(-1) == kept).float().mean() > 0.7


def test_a_training_makes_its_guides_once(
    scenes: str, classes: tuple[str, ...], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    whole = Guided.guides

    def counted(self: Guided, images: Tensor, *arguments: object) -> Tensor:
        made.append(len(images))
        return whole(self, images, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Guided, "guides", counted)
    monkeypatch.setattr(Guided, "_guide", lambda *arguments: pytest.fail("a step made a guide"))
    settings = {"objective": "guided", "objective_options": {"once": True, "scales": [1.0]}}
    explainer = Explainer(spatial(classes), "compact")
    train(explainer, scenes, out, **settings, run=with_run(max_epochs=2))
    labelled = [
        int(open_dataset(scenes, split, classes=classes, preprocessing=PREPROCESSING).labels.any(1).sum())
        for split in ("train", "val")
    ]
    assert sum(made) == sum(labelled)
    assert max(made) <= guides_once.TOGETHER
    assert {"train/guide", "val/guide"} <= rows(out)[0].keys()
    assert json.loads((out / "run.json").read_text())["settings"]["objective"]["settings"]["once"] is True
