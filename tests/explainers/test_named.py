"""Who explains, by name: classifiers, Explainers, and names that nearly are one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.named import Named
from explanans.explanations.by_method import ByMethod
from explanans.images.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier in runs/classifier/classifier and an Explainer of it in runs/explainer/explainer."""
    folder = tmp_path_factory.mktemp("runs")
    torch.manual_seed(0)
    classifier = Explanandum(
        SmallResNet(2, (4, 8)),
        classes=("cat", "dog"),
        activation="sigmoid",
        preprocessing=Preprocessing(32, (0.5,) * 3, (0.25,) * 3),
        source=Source("explanans:small_resnet", {"num_classes": 2, "widths": [4, 8]}),
    )
    classifier.save(folder / "classifier" / "classifier")
    Explainer(classifier, "compact", encoder_weights=None).save_pretrained(folder / "explainer" / "explainer")
    return folder


def test_an_explainer_and_a_classifier(runs: Path) -> None:
    explainer = Named(str(runs / "explainer" / "explainer")).load()
    assert isinstance(explainer, Explainer)
    assert not explainer.training
    by_method = Named(str(runs / "classifier" / "classifier")).load()
    assert isinstance(by_method, ByMethod)
    assert by_method.explanandum.weights_hash == explainer.explanandum.weights_hash
    other = Named(str(runs / "explainer" / "explainer"), "grad_cam", {"layer": "blocks.0"}).load()
    assert isinstance(other, ByMethod)
    assert other.identity()["method"]["settings"] == {"layer": "blocks.0"}
    assert other.identity()["classifier"] == by_method.identity()["classifier"]


@pytest.mark.parametrize("kind", ["explainer", "classifier"])
def test_the_folder_of_a_run_says_which_was_meant(runs: Path, kind: str) -> None:
    with pytest.raises(InputError, match=rf"did you mean .*{kind}/{kind}\?"):
        Named(str(runs / kind)).load()


def test_a_mistyped_folder_is_not_looked_for_on_the_hub(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    with pytest.raises(InputError, match=r"explainer/explianer is no folder \(did you mean 'explainer/explainer'"):
        Named("explainer/explianer").load()


def test_settings_of_a_classifier_do_not_go_with_an_explainer(runs: Path) -> None:
    with pytest.raises(InputError, match=r"trained Explainer, which knows its classes, weights"):
        Named(str(runs / "explainer" / "explainer"), classes=("a", "b"), weights="x.safetensors").load()


def test_a_slash_in_place_of_a_colon() -> None:
    with pytest.raises(InputError, match=r"did you mean 'timm:resnet18', a classifier\?\), which knows its weights"):
        Named("timm/resnet18", weights="x.safetensors").load()
    with pytest.raises(InputError) as caught:
        Named("somebody/resnet18", weights="x.safetensors").load()
    assert "did you mean" not in str(caught.value)
