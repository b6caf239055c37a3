"""Classifiers of every family: answers, masks, receipts, and the layer that Grad-CAM finds."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source, build
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.methods import make_method
from explanans.training.backbone import new_classifier

TIMM = [
    "resnet10t",
    "mobilenetv2_035",
    "efficientnet_b0",
    "convnext_atto",
    "vit_tiny_patch16_224?img_size=64&embed_dim=48",
    "swin_tiny_patch4_window7_224?img_size=64&embed_dim=24",
    "mobilevit_xxs",
]
TORCHVISION = ["mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1"]


def check(classifier: Explanandum) -> None:
    height, width = classifier.preprocessing.height, classifier.preprocessing.width
    images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    maps = make_method("grad_cam", classifier)(images, [1])
    assert maps.shape == (1, classifier.num_classes, height, width)
    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    for network in ("trunk?width=8&depth=1", "copy?width=8"):
        (found,) = Explainer(classifier, network).eval().explain(picture, top_k=1)
        assert found.mask.shape == (70, 90)
        assert found.receipt is not None


@pytest.mark.parametrize("name", TIMM)
def test_timm_by_name_with_weights_of_ones_own(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    architecture, _, options = name.partition("?")
    arguments = {key: int(value) for key, value in urllib.parse.parse_qsl(options)}
    module = timm.create_model(architecture, num_classes=4, **arguments).eval()
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    spec = f"timm:{name}{'&' if options else '?'}num_classes=4"
    # Not 224, and not the statistics of ImageNet.
    preprocessing = Preprocessing(64, (0.3, 0.4, 0.5), (0.2, 0.2, 0.3))
    settings = {"classes": list("abcd"), "activation": "softmax", "preprocessing": preprocessing}
    classifier = Explanandum.load(spec, weights=tmp_path / "weights.safetensors", **settings)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(classifier(images), module(images), atol=1e-6)
    check(classifier)


def test_options_of_a_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weights were published for num_classes.*--weights"):
        Explanandum.load("timm:resnet10t?num_classes=4", classes=list("abcd"), activation="sigmoid")
    with pytest.raises(InputError, match="no weights were published for num_classes"):
        Explanandum.load("torchvision:resnet18?num_classes=4", classes=list("abcd"), activation="sigmoid")
    with pytest.raises(InputError, match="num_classes='four'"):
        Explanandum.load("timm:resnet10t?num_classes=four")
    with pytest.raises(InputError, match=r"img_size.*leave out what it does not have"):
        Explanandum.load("timm:resnet10t?img_size=64", weights=tmp_path / "weights.safetensors")
    torch.manual_seed(0)
    module = torchvision.models.squeezenet1_1(num_classes=4)
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    spec, weights = "torchvision:squeezenet1_1?num_classes=4", tmp_path / "weights.safetensors"
    with pytest.raises(InputError, match="classes and activation cannot be known"):
        Explanandum.load(spec, weights=weights)
    classifier = Explanandum.load(spec, weights=weights, classes=list("abcd"), activation="sigmoid")
    again = Explanandum.load(classifier.save(tmp_path / "saved"))
    assert again.weights_hash == classifier.weights_hash


def test_settings_follow_a_name_wherever_it_is_loaded_or_trained(tmp_path: Path) -> None:
    name = "mobilenetv2_035"
    module = timm.create_model(name, num_classes=2, pad_type="same").eval()
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    half = Preprocessing(33, (0.5,) * 3, (0.5,) * 3)
    settings = {"classes": ["a", "b"], "activation": "sigmoid", "preprocessing": half}
    spec = f"timm:{name}?pad_type=same&num_classes=2"
    loaded = Explanandum.load(spec, weights=tmp_path / "weights.safetensors", **settings)
    images = torch.randn(2, 3, 33, 33)
    with torch.no_grad():
        # An odd side, because padding at one end alone is what differs.
        assert torch.allclose(loaded(images), module(images), atol=1e-6)
    assert loaded.source == Source(f"timm:{name}", {"pad_type": "same", "num_classes": 2})
    _, source, _ = new_classifier(f"timm:{name}?pad_type=same", 2, None)
    assert source == loaded.source
    for wrong in (f"timm:{name}?num_classes=3", f"timm:{name}?pad_type=same&num_classes=2"):
        with pytest.raises(InputError, match="num_classes is given in the name and beside it"):
            new_classifier(wrong, 2, None)


@pytest.mark.parametrize("spec", ["timm:resnet10t", "torchvision:resnet18", "explanans:small_resnet"])
@pytest.mark.parametrize(
    "evil",
    [
        {"checkpoint_path": "evil.pth"},
        {"pretrained": 1},
        {"weights": "DEFAULT"},
        {"pretrained_cfg_overlay": {}},
    ],
)
def test_nothing_but_named_settings_reaches_a_library(spec: str, evil: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    saved = Explanandum(
        build(Source(spec, {"num_classes": 2})),
        classes=["a", "b"],
        activation="sigmoid",
        preprocessing=Preprocessing(32, (0.5,) * 3, (0.5,) * 3),
        source=Source(spec, {"num_classes": 2}),
    ).save(tmp_path / "saved")
    (name,) = evil
    with pytest.raises(InputError, match=f"{name}' is no option of it.*its options are num_classes"):
        new_classifier(spec, 2, None, arguments=evil)
    description = json.loads((saved / "explanandum.json").read_text())
    description["source"]["arguments"] |= evil
    (saved / "explanandum.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=f"{name}' is no option of it"):
        Explanandum.load(saved)
    if not spec.startswith("explanans"):
        with pytest.raises(InputError, match=f"{name}' is no option of it"):
            Explanandum.load(f"{spec}?{name}=1")


def test_a_timm_model_of_transformers_takes_named_settings_alone() -> None:
    pytest.importorskip("transformers")
    config = {"model_type": "timm_wrapper", "architecture": "resnet10t", "model_args": {"checkpoint_path": "evil.pth"}}
    with pytest.raises(InputError, match="model_args: 'checkpoint_path' is no option of it"):
        build(Source("hf:owner/name", {"config": config}))


@pytest.mark.parametrize("spec", ["onnx:model.onnx", "torchscript:model.pt", "export:model.pt2", "function:os:getcwd"])
def test_what_is_finished_cannot_be_trained(spec: str) -> None:
    with pytest.raises(InputError, match=r"is finished.*To train one, take timm:NAME"):
        build(Source(spec, {"num_classes": 2}))
    with pytest.raises(InputError, match="can be explained, but not trained"):
        build(Source("hf:owner/name", {"num_classes": 2}))


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_by_name_with_weights_of_ones_own(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(torchvision.models.get_model(name).state_dict(), tmp_path / "weights.safetensors")
    check(Explanandum.load(f"torchvision:{name}", weights=tmp_path / "weights.safetensors"))
