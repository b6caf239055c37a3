"""From measurements to the model card, on tiny networks."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from explanans.benchmark import BenchmarkSettings, MethodSettings, Results, run_benchmark
from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.cli.main import main
from explanans.deploy.batch import explain_many, explain_shards
from explanans.deploy.batch.job_options import Options
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations.batch import Settings
from explanans.explanations.selection import Selection
from explanans.images.preprocessing import Preprocessing
from explanans.pipelines.card_facts import benchmark_figures, receipt_figures


def made(seed: int = 0) -> Explainer:
    torch.manual_seed(seed)
    classifier = Explanandum(
        SmallResNet(2),
        classes=("cat", "dog"),
        activation="sigmoid",
        preprocessing=Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        source=Source("explanans:small_resnet", {"num_classes": 2}),
    )
    explainer = Explainer(classifier, "compact").eval()
    nn.init.normal_(explainer.network.head.weight, std=2.0)
    return explainer


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return made()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(generator.integers(0, 255, (40, 30, 3), np.uint8)).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def measured(explainer: Explainer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of the Explainer and constants on six pictures without segmentations."""
    folder = tmp_path_factory.mktemp("measured")
    generator = np.random.default_rng(1)
    for name in explainer.classes:
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(3):
            picture = Image.fromarray(generator.integers(0, 255, (40, 30, 3), np.uint8))
            picture.save(folder / "pictures" / name / f"{name}{number}.png")
    explainer.explanandum.save(folder / "classifier")
    explainer.save_pretrained(folder / "explainer")
    settings = BenchmarkSettings(
        classifiers={"small": str(folder / "classifier")},
        data=f"folder:{folder / 'pictures'}",
        methods={
            "explainer": MethodSettings(settings={"explainer": str(folder / "explainer")}),
            "constant_1": MethodSettings(),
        },
        split="all",
        metrics=["kept"],
        cost_images=1,
        device="cpu",
    )
    return run_benchmark(settings, folder / "benchmark").folder


@pytest.mark.parametrize("quick", [False, True])
def test_receipts_of_folders_are_averaged(
    explainer: Explainer, photos: list[Path], tmp_path: Path, quick: bool
) -> None:
    used = explainer.folded() if quick else explainer
    explain_many(used, photos, tmp_path / "out", Settings(Selection(top_k=2)))
    found = receipt_figures(tmp_path / "out", explainer)
    texts = (tmp_path / "out").glob("*/explanation.json")
    receipts = [each["receipt"] for text in texts for each in json.loads(text.read_text())["classes"]]
    assert len(receipts) == 6
    for name in ("whole", "kept", "removed", "area"):
        assert found[name] == pytest.approx(fmean(receipt[name] for receipt in receipts))
    assert (found["masks"], found["images"], found["data"], found["fills"]) == (6, 3, "out", ["mean", "blur"])
    assert receipt_figures(tmp_path / "out" / "index.json", explainer) == found


def test_receipts_of_shards_are_averaged(explainer: Explainer, photos: list[Path], tmp_path: Path) -> None:
    explain_many(explainer, photos, tmp_path / "folders", Settings(Selection(top_k=1)))
    options = Options(top_k=1, receipts=True)
    explain_shards(explainer, photos, tmp_path / "shards", options, shard_size=2, workers=0)
    expected = receipt_figures(tmp_path / "folders", explainer)
    found = receipt_figures(tmp_path / "shards", explainer)
    for name in ("whole", "kept", "removed", "area"):
        assert found[name] == pytest.approx(expected[name], abs=1e-5)
    assert (found["masks"], found["images"]) == (3, 3)


def test_receipts_of_the_example_are_taken_as_they_are(explainer: Explainer, tmp_path: Path) -> None:
    means = {"predicted classes": 9, "whole": 0.9, "kept": 0.8, "removed": 0.1, "area": 0.2, "kept / whole": 0.89}
    record = {
        "receipts": means,
        "data": {"name": "VOC2012/val", "images": 7},
        "classifier": explainer.explanandum.identity(),
    }
    (tmp_path / "receipts.json").write_text(json.dumps(record))
    found = receipt_figures(tmp_path, explainer)
    assert {name: found[name] for name in ("whole", "kept", "removed", "area", "masks", "images", "data")} == {
        **{"whole": 0.9, "kept": 0.8, "removed": 0.1, "area": 0.2},
        **{"masks": 9, "images": 7, "data": "VOC2012/val"},
    }


def test_receipts_of_another_are_refused(explainer: Explainer, photos: list[Path], tmp_path: Path) -> None:
    explain_many(explainer, photos, tmp_path / "out", Settings(Selection(top_k=1)))
    with pytest.raises(InputError, match="of another classifier"):
        receipt_figures(tmp_path / "out", made(seed=1))
    other = Explainer(explainer.explanandum, "compact", encoder_weights=None)
    with pytest.raises(InputError, match="of another Explainer"):
        receipt_figures(tmp_path / "out", other)
    explain_many(explainer, photos, tmp_path / "none", Settings(Selection(top_k=1), receipts=False))
    with pytest.raises(InputError, match="masks without receipts"):
        receipt_figures(tmp_path / "none", explainer)
    with pytest.raises(InputError, match=r"holds none of receipts.json, index.json, job.json"):
        receipt_figures(tmp_path / "nothing", explainer)
    (tmp_path / "receipts.json").write_text('{"other": 1}')
    with pytest.raises(InputError, match="lacks receipts, data, classifier; give a folder"):
        receipt_figures(tmp_path / "receipts.json", explainer)


def test_the_benchmarks_row_is_found_by_weights(explainer: Explainer, measured: Path) -> None:
    found = benchmark_figures(measured, explainer)
    assert (found["method"], found["images"], found["normalisation"]) == ("explainer", 6, "raw")
    assert found["same_weights"]
    values = Results.open(measured).values("kept", "small", "explainer")[1]
    kept = found["scores"]["kept"]
    assert kept["mean"] == pytest.approx(values.mean())
    assert kept["low"] < kept["mean"] < kept["high"]
    assert kept["title"] == "probability, kept ↑"
    assert kept["images"] == 6


def test_a_row_of_other_weights_must_be_named(explainer: Explainer, measured: Path) -> None:
    other = Explainer(explainer.explanandum, "compact", encoder_weights=None).eval()
    with pytest.raises(InputError, match=r"no row with this Explainer's weights.*--method.*: explainer"):
        benchmark_figures(measured, other)
    assert not benchmark_figures(measured, other, "explainer")["same_weights"]
    with pytest.raises(InputError, match=r"method='best' was not measured"):
        benchmark_figures(measured, other, "best")
    with pytest.raises(InputError, match="none with the weights of the Explainer's classifier"):
        benchmark_figures(measured, made(seed=1))


def test_the_command_writes_the_card(
    explainer: Explainer,
    photos: list[Path],
    measured: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    saved, card = tmp_path / "explainer", tmp_path / "explainer" / "README.md"
    explainer.save_pretrained(saved)
    card.write_text(card.read_text().replace("---\n", "---\nlicense: mit\n", 1))
    explain_many(explainer, photos, tmp_path / "out", Settings(Selection(top_k=2)))
    words = ["card", str(saved), "--receipts", str(tmp_path / "out"), "--benchmark", str(measured), "--name", "a/b"]
    assert main(words) == 0
    text = card.read_text()
    for part in (
        "Over 6 masks of 3 images",
        "| probability, kept ↑ |",
        'from_pretrained("a/b")',
        "license: mit",
        "name: b",
    ):
        assert part in text
    # The figures stay with the Explainer.
    again = Explainer.from_pretrained(saved)
    assert again.facts["receipts"]["masks"] == 6
    assert again.facts["benchmark"]["method"] == "explainer"
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(again(images), explainer(images))
    card.write_text(text + "Of my own.\n")
    assert main(["card", str(saved)]) == 0
    assert "--overwrite writes it anew" in capsys.readouterr().err
    assert card.read_text() == text + "Of my own.\n"
    assert main(["card", str(saved), "--overwrite"]) == 0
    assert "Of my own" not in card.read_text()
    assert "license: mit" in card.read_text()
    assert main(["card", str(tmp_path / "nothing")]) == 2
