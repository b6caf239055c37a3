from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from explanans.cli.main import main
from explanans.deploy.onnx import Exported, check_pictures, export_onnx
from explanans.deploy.onnx.check import open_session
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")

Export = Callable[..., tuple[Explainer, Exported]]


def helper() -> ModuleType:
    spec = importlib.util.spec_from_file_location("export_conftest", Path(__file__).parent / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("network", "what"),
    [
        ("compact", "both"),
        ("compact", "masks"),
        ("trunk?width=8", "both"),
        ("copy?width=8", "both"),
        ("light/test_efficientnet?pad_type=same", "both"),
        ("fpn/test_resnet", "masks"),
    ],
)
def test_the_graph_gives_pytorchs_numbers(network: str, what: str, exported: Export) -> None:
    explainer, done = exported(network, what=what)
    assert done.check.difference < 1e-4
    images = torch.randn(5, 3, 32, 32)
    answers = open_session(done.path).run(None, {"images": images.numpy()})
    with torch.no_grad():
        probabilities, masks = explainer.predict_and_explain(images)
    assert np.abs(answers[-1] - masks.numpy()).max() < 1e-4
    assert len(answers) == (2 if what == "both" else 1)
    if what == "both":
        assert np.abs(answers[0] - probabilities.numpy()).max() < 1e-4


@pytest.mark.parametrize(
    ("network", "preprocessing"),
    [("compact", "inside"), ("trunk?width=8", "outside"), ("own", "outside")],
)
def test_masks_of_chosen_classes_alone(network: str, preprocessing: str, tmp_path: Path) -> None:
    explainer = helper().explainer_of("compact" if network == "own" else network)
    if network == "own":
        # Without a head of the package's, whose classes could be left out.
        explainer = Explainer(explainer.explanandum, nn.Conv2d(3, 3, 4, stride=4)).eval()
    explainer.calibrate(2.0, -0.1)
    before = {name: tensor.clone() for name, tensor in explainer.state_dict().items()}
    path = tmp_path / "model.onnx"
    done = export_onnx(explainer, path, classes=["cow", "cat"], preprocessing=preprocessing)
    assert done.check.difference < 1e-4
    session = open_session(path)
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["mask_classes"]) == ["cow", "cat"]
    assert json.loads(facts["classes"]) == ["cat", "dog", "cow"]
    for name, tensor in explainer.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    images, given = torch.randn(5, 3, 32, 32), "images"
    content = images.numpy()
    if preprocessing == "inside":
        # Of the graph's own size, so that it resizes nothing.
        pictures = torch.randint(0, 256, (5, 32, 32, 3), dtype=torch.uint8)
        images = explainer.explanandum.preprocessing.normalise(pictures.permute(0, 3, 1, 2) / 255)
        given, content = "pictures", pictures.numpy()
    probabilities, masks = session.run(None, {given: content})
    with torch.no_grad():
        expected = explainer.predict_and_explain(images)
    assert np.abs(masks - expected.masks[:, [2, 0]].numpy()).max() < 1e-4
    assert np.abs(probabilities - expected.probabilities.numpy()).max() < 1e-4


@pytest.mark.parametrize(
    ("classes", "complaint"), [(["cat", "bird"], "'bird' is not a class"), (["cat", "cat"], "twice"), ([], "empty")]
)
def test_classes_that_cannot_be_chosen(
    classes: list[str], complaint: str, explainer: Explainer, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=complaint):
        export_onnx(explainer, tmp_path / "model.onnx", classes=classes)
    assert not list(tmp_path.iterdir())


def test_the_file_says_what_it_is(exported: Export) -> None:
    explainer, done = exported()
    path = done.path
    facts = open_session(path).get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == json.loads(facts["mask_classes"]) == ["cat", "dog", "cow"]
    assert json.loads(facts["preprocessing"])["size"] == [32, 32]
    assert facts["classifier_hash"] == explainer.explanandum.weights_hash
    assert (facts["activation"], facts["outputs"], facts["preprocessed"]) == ("softmax", "both", "outside")
    assert facts["finished"] == "null"
    assert not any(node.op_type == "BatchNormalization" for node in onnx.load(path).graph.node)


@pytest.mark.parametrize("channels", [3, 1])
def test_preprocessing_inside_takes_pictures_of_any_size(channels: int, exported: Export) -> None:
    explainer, done = exported(channels=channels, preprocessing="inside")
    assert done.check.difference < 1e-4
    # Pillow rounds after it has resized; that is all.
    assert done.check.resize_difference is not None
    assert done.check.resize_difference < 0.05
    session = open_session(done.path)
    for picture in (*check_pictures(2), Image.new("RGB", (31, 77), (200, 30, 90))):
        probabilities, masks = session.run(None, {"pictures": np.asarray(picture)[None]})
        with torch.no_grad():
            expected = explainer.predict_and_explain(explainer.explanandum.preprocessing(picture)[None])
        assert np.abs(masks - expected.masks.numpy()).max() < 0.05
        assert np.abs(probabilities - expected.probabilities.numpy()).max() < 0.05


def test_a_free_size(tmp_path: Path) -> None:
    explainer = helper().explainer_of("light/test_efficientnet?pad_type=same", size=64)
    path = export_onnx(explainer, tmp_path / "model.onnx", dynamic_size=True).path
    images = torch.randn(1, 3, 96, 160)
    with torch.no_grad():
        expected = explainer(images)
    assert np.abs(open_session(path).run(["masks"], {"images": images.numpy()})[0] - expected.numpy()).max() < 1e-4


class Fixed(nn.Sequential):
    """Takes one size only: a linear layer over all positions."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 3, 1), nn.Flatten(2), nn.Linear(32 * 32, 64), nn.Unflatten(2, (8, 8)))


def test_a_size_that_is_not_free_is_refused(explainer: Explainer, tmp_path: Path) -> None:
    fixed = Explainer(explainer.explanandum, Fixed()).eval()
    export_onnx(fixed, tmp_path / "fixed.onnx", what="masks")
    with pytest.raises(InputError, match="export"):
        export_onnx(fixed, tmp_path / "free.onnx", what="masks", dynamic_size=True)
    assert [path.name for path in tmp_path.iterdir()] == ["fixed.onnx"]


def test_other_numbers_write_nothing(
    exported: Export, explainer: Explainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, other = exported("trunk?width=8")

    def traced(module: nn.Module, given: torch.Tensor, path: Path, *options: object) -> None:
        shutil.copyfile(other.path, path)

    monkeypatch.setattr("explanans.deploy.onnx.graph._trace", traced)
    (tmp_path / "model.onnx").write_bytes(b"an earlier one")
    with pytest.raises(InputError, match="differs from PyTorch"):
        export_onnx(explainer, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == b"an earlier one"


def test_the_command(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    for number, picture in enumerate(check_pictures(3)):
        picture.save(tmp_path / "photos" / f"{number}.png")
    out = tmp_path / "model.onnx"
    photos = str(tmp_path / "photos")
    arguments = ["export", str(saved), "--out", str(out), "--check_images", photos, "--classes", "dog,cow"]
    assert main([*arguments, "--int8", "--calibration_images", photos]) == 0
    printed = capsys.readouterr().out
    assert "differs from PyTorch by at most" in printed
    assert "on 3 photos" in printed
    facts = json.loads(out.with_suffix(".int8.json").read_text())
    assert facts["bytes_int8"] == out.with_suffix(".int8.onnx").stat().st_size
    assert 0.5 < facts["agreement"] <= 1
    assert json.loads(open_session(out).get_modelmeta().custom_metadata_map["mask_classes"]) == ["dog", "cow"]
    assert main(["export", str(saved), "--out", str(out), "--int8"]) == 2
    assert "calibration_images" in capsys.readouterr().err
    assert main(["export", str(saved), "--out", str(out), "--finish"]) == 2
    assert "not calibrated to finish" in capsys.readouterr().err


def test_photos_that_cannot_be_read_are_refused_before_the_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # There is no such Explainer either, which would be the second thing to go wrong.
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    for wrong, complaint in (
        (tmp_path / "absent.jpg", "no such file"),
        (broken, "not a picture"),
        (tmp_path / "x", ""),
    ):
        assert main(["export", str(tmp_path / "none"), "--check_images", str(wrong)]) == 2
        printed = capsys.readouterr().err
        assert str(wrong) in printed
        assert complaint in printed
