"""Single-label data from end to end: a softmax classifier, its Explainer, explanations with receipts, a comparison."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from explanans.benchmark.batches import read_pictures
from explanans.benchmark.scoring import Scorer
from explanans.classifiers.explanandum import Explanandum
from explanans.cli.main import main
from explanans.data import LabelledImages, open_dataset
from explanans.data.scenes import write_scenes
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.methods import make_method
from explanans.training import Optimizer, Run, fit
from explanans.training.fit_classifier import fit_classifier

PREPROCESSING = Preprocessing(48, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", train=64, val=32, test=0, size=48, quiet=True)


def single(scenes: Path, split: str) -> LabelledImages:
    """The scenes with objects of exactly one class."""
    data = open_dataset(f"scenes:{scenes}", split, preprocessing=PREPROCESSING)
    return data.subset((data.labels.sum(1) == 1).nonzero().flatten())


@pytest.fixture(scope="module")
def classifier(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Explanandum:
    folder = fit_classifier(
        "explanans:small_resnet",
        single(scenes, "train"),
        validation=single(scenes, "val"),
        size=48,
        weights=None,
        activation="softmax",
        augment="none",
        monitor="loss",
        run=Run(max_epochs=1, batch_size=8, progress=False, accelerator="cpu"),
        out=tmp_path_factory.mktemp("classifier"),
    )
    return Explanandum.load(folder)


@pytest.fixture(scope="module")
def explainer(scenes: Path, classifier: Explanandum, tmp_path_factory: pytest.TempPathFactory) -> Explainer:
    out = tmp_path_factory.mktemp("explainer")
    saved = fit(
        Explainer(classifier, "compact/small_resnet", encoder_weights="explanandum"),
        single(scenes, "train"),
        validation=single(scenes, "val"),
        objective="stalder2022",
        augment="none",
        optimizer=Optimizer(1e-3),
        run=Run(max_epochs=1, batch_size=8, progress=False, accelerator="cpu"),
        out=out,
    )
    return Explainer.from_pretrained(saved)


def test_the_saved_explainer_remembers_that_its_classifier_is_a_softmax(explainer: Explainer) -> None:
    assert explainer.explanandum.activation == "softmax"
    images = torch.randn(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(explainer.explanandum.probabilities(images).sum(1), torch.ones(3))


def test_one_class_is_explained_and_its_receipt_is_in_softmax_probabilities(explainer: Explainer, scenes: Path) -> None:
    data = single(scenes, "val")
    explanation = explainer.explain(data.picture(0), top_k=1)
    assert not isinstance(explanation, list)
    assert sum(explanation.probabilities.values()) == pytest.approx(1, abs=1e-5)
    (found,) = explanation
    assert found.probability == max(explanation.probabilities.values())
    receipt = found.receipt
    assert receipt is not None
    # By hand: the picture through the binary mask over the mean colour, and all classes share what is left.
    inputs = PREPROCESSING(data.picture(0))[None]
    shown = torch.from_numpy(found.input_mask >= 0.5)
    logits = explainer.explanandum(torch.cat([inputs * shown, inputs * ~shown])).exp()
    kept, removed = (logits / logits.sum(1, keepdim=True))[:, found.index].tolist()
    assert receipt.fills["mean"].kept == pytest.approx(kept, rel=1e-4)
    assert receipt.fills["mean"].removed == pytest.approx(removed, rel=1e-4)


def test_a_comparison_on_single_label_data(explainer: Explainer, classifier: Explanandum, scenes: Path) -> None:
    data = single(scenes, "val")
    pictures = read_pictures(data, range(len(data)), torch.device("cpu"))
    ones = make_method("constant_1", classifier)(pictures.images, pictures.labels)
    everyone = torch.ones(len(data), dtype=torch.bool)
    with torch.no_grad():
        masks = make_method("explainer", classifier, explainer=explainer)(pictures.images, pictures.labels)
        asked = dict.fromkeys(("segmentation", "saliency"), everyone)
        of_masks, of_ones = (Scorer(classifier)(pictures, each, asked) for each in (masks, ones))
        # The mask of ones changes no picture, so its saliency is −log of the softmax probability of the one label.
        wanted = -classifier(pictures.images).log_softmax(1)[pictures.labels]
    assert not of_masks.broken.any()
    assert of_ones.values["saliency"].tolist() == pytest.approx(wanted.tolist(), rel=1e-4)


def test_the_commands_on_a_folder_of_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a recipe for single-label data runs, at the size of a stamp."""
    for split in ("train", "val"):
        for name, colour in (("red", (200, 30, 30)), ("green", (30, 200, 30)), ("blue", (30, 30, 200))):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for index in range(6):
                Image.new("RGB", (48, 48), tuple(value + 5 * index for value in colour)).save(folder / f"{index}.png")
    data, out = f"folder:{tmp_path / 'data'}", tmp_path / "runs"
    words = ["--config", "cub200-resnet50", "--data", data, "--train_split=train", "--validation_split=val"]
    words += ["--run.max_epochs=2", "--run.batch_size=6", "--run.num_workers=0", "--run.accelerator=cpu"]
    own = ["--architecture=explanans:small_resnet", "--weights=null", "--size=48", "--no_freeze_backbone"]
    own += ["--optimizer.freeze_statistics=false", "--optimizer.lr=0.01"]
    assert main(["classifier", "fit", *words, *own, f"--out={out / 'classifier'}"]) == 0
    saved = out / "classifier" / "classifier"
    assert json.loads((saved / "explanandum.json").read_text())["activation"] == "softmax"
    own = [f"--classifier={saved}", "--network=compact", "--encoder_weights=null", f"--out={out / 'explainer'}"]
    assert main(["fit", *words, *own]) == 0
    capsys.readouterr()
    picture = str(tmp_path / "data" / "val" / "red" / "0.png")
    assert main(["explain", str(out / "explainer" / "explainer"), picture, "--out", str(tmp_path / "out")]) == 0
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    (found,) = index["images"][0]["classes"]
    assert found["probability"] >= 1 / 3
    assert 0 <= found["receipt"]["kept"] <= 1
    assert math.isfinite(found["receipt"]["removed"])
