"""Names that nearly are one: what was meant is said, for every kind of classifier."""

from __future__ import annotations

from pathlib import Path

import pytest

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with something of every kind to misspell."""
    (tmp_path / "runs" / "classifier" / "classifier").mkdir(parents=True)
    (tmp_path / "runs" / "classifier" / "classifier" / "explanandum.json").write_text("{}")
    for name in ("model.onnx", "program.pt", "program.pt2", "weights.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "own_models_of_the_test.py").write_text("def build(): ...\ndef classify(pictures): ...\nNUMBER = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("tim:resnet50", "timm:resnet50"),
        ("torchvison:resnet50", "torchvision:resnet50"),
        ("onx:model.onnx", "onnx:model.onnx"),
        ("resnet50", "timm:resnet50"),
        ("timm:resnt50", "resnet50"),
        ("torchvision:resnt50", "resnet50"),
        ("explanans:smal_resnet", "small_resnet"),
        ("onnx:mdel.onnx", "model.onnx"),
        ("torchscript:progam.pt", "program.pt"),
        ("export:progam.pt2", "program.pt2"),
        ("function:own_models_of_the_test:clasify", "classify"),
        ("own_models_of_the_test:biuld", "build"),
        ("own_model_of_the_test:build", "own_models_of_the_test"),
        ("model.onnx", "onnx:model.onnx"),
        ("program.pt", "torchscript:program.pt"),
        ("program.pt2", "export:program.pt2"),
        ("runs/clasifier/classifier", "runs/classifier/classifier"),
        ("runs/classifier/clasifier", "runs/classifier/classifier"),
        ("runs/classifier", "runs/classifier/classifier"),
    ],
)
def test_what_was_meant(name: str, meant: str) -> None:
    with pytest.raises(InputError, match=rf"did you mean '?{meant}'?\?"):
        Explanandum.load(name, trust_factory=True)


def test_a_misspelt_file_of_weights() -> None:
    with pytest.raises(InputError, match=r"weight\.safetensors' is no file \(did you mean 'weights\.safetensors'\?\)"):
        Explanandum.load("timm:resnet18", weights="weight.safetensors")


def test_what_is_there_is_not_proposed_in_its_own_place() -> None:
    with pytest.raises(InputError, match=r"weights='runs' is no file; give a"):
        Explanandum.load("timm:resnet18", weights="runs")
    with pytest.raises(InputError, match=r"known name \(it is a file; the classifier comes first\); take one of"):
        Explanandum.load("weights.safetensors")


@pytest.mark.parametrize("name", ["timm:", "torchvision:", "hf:", "timm:?num_classes=5"])
def test_a_library_without_a_name(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name.partition(':')[0]}:.*' names none; write it after the colon"):
        Explanandum.load(name)


@pytest.mark.parametrize("name", ["own_models_of_the_test:NUMBER", "function:own_models_of_the_test:NUMBER"])
def test_what_cannot_be_called(name: str) -> None:
    with pytest.raises(InputError, match=r"has a int called 'NUMBER'"):
        Explanandum.load(name)


def test_where_nothing_is_near_nothing_is_guessed() -> None:
    for name in ("xyz:abc", "qqq/rrr", "hopeless"):
        with pytest.raises(InputError) as caught:
            Explanandum.load(name)
        assert "did you mean" not in str(caught.value)
