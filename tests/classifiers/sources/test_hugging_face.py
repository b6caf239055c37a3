from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import last_spatial_layer
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing

transformers = pytest.importorskip("transformers", reason="needs the extra hf")

LABELS = {0: "cat", 1: "dog", 2: "cow"}
SMALL = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 32}


def config(kind: str) -> object:
    common = {"id2label": LABELS, "label2id": {name: index for index, name in LABELS.items()}}
    if kind == "vit":
        return transformers.ViTConfig(image_size=32, patch_size=8, **SMALL, **common)
    if kind == "resnet":
        return transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], **common)
    if kind == "convnext":
        return transformers.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, **common)
    return transformers.SwinConfig(
        image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4, **common
    )


def saved(folder: Path, kind: str = "vit", **processor: object) -> Path:
    torch.manual_seed(0)
    transformers.AutoModelForImageClassification.from_config(config(kind)).save_pretrained(folder)
    settings = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": 32, "width": 32},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2, 0.3, 0.25],
        **processor,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.bad_input
@pytest.mark.parametrize("names", [{}, {"id2label": None}, {"id2label": LABELS}])
@pytest.mark.parametrize("number", [10**8, -1, "3"])
def test_classes_that_no_memory_holds_are_refused_before_any_is_made(
    tmp_path: Path, names: dict[str, object], number: object
) -> None:
    folder = saved(tmp_path / "vit")
    content = json.loads((folder / "config.json").read_text())
    del content["id2label"]
    (folder / "config.json").write_text(json.dumps({**content, **names, "num_labels": number}))
    with pytest.raises(InputError, match=r"num_labels=.*give a number up to (100,000|3),"):
        Explanandum.load(f"hf:{folder}")


@pytest.mark.parametrize("kind", ["vit", "resnet", "convnext", "swin"])
def test_a_folder_is_a_classifier(tmp_path: Path, kind: str) -> None:
    folder = saved(tmp_path / kind, kind)
    classifier = Explanandum.load(f"hf:{folder}")
    assert classifier.classes == ("cat", "dog", "cow")
    assert classifier.activation == "softmax"
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    assert torch.allclose(classifier(images), model(images).logits, atol=1e-6)
    assert last_spatial_layer(classifier)
    explainer = Explainer(classifier, "trunk?width=8").eval()
    with torch.no_grad():
        probabilities, masks = explainer.predict_and_explain(images)
    assert torch.allclose(probabilities, classifier.probabilities(images))
    assert masks.shape == (2, 3, 32, 32)


def test_pixels_are_the_processors(tmp_path: Path) -> None:
    folder = saved(tmp_path / "vit")
    classifier = Explanandum.load(f"hf:{folder}")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8))
    theirs = transformers.AutoImageProcessor.from_pretrained(folder)(picture, return_tensors="pt")["pixel_values"][0]
    # Values are rounded to 8 bits between resizing and scaling, in one library before and in one after.
    assert (classifier.preprocessing(picture) - theirs).abs().max() < 2.5 / 255 / 0.2


def test_a_multi_label_model(tmp_path: Path) -> None:
    folder = saved(tmp_path / "vit")
    entries = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**entries, "problem_type": "multi_label_classification"}))
    assert Explanandum.load(f"hf:{folder}").activation == "sigmoid"


def test_saved_and_loaded_without_its_folder(tmp_path: Path) -> None:
    folder = saved(tmp_path / "vit")
    classifier = Explanandum.load(f"hf:{folder}")
    images = torch.randn(2, 3, 32, 32)
    expected = classifier(images)
    classifier.save(tmp_path / "classifier")
    (folder / "model.safetensors").unlink()
    assert torch.equal(Explanandum.load(tmp_path / "classifier")(images), expected)


def test_the_crop_is_the_size(tmp_path: Path) -> None:
    crop = {"do_center_crop": True, "crop_size": {"height": 24, "width": 24}, "size": {"shortest_edge": 32}}
    loaded = Explanandum.load(
        f"hf:{saved(tmp_path / 'resnet', 'resnet', image_processor_type='BitImageProcessor', **crop)}"
    )
    assert loaded.preprocessing.size == (24, 24)


PROCESSORS = {
    "offset": {"image_processor_type": "EfficientNetImageProcessor", "rescale_offset": True, "rescale_factor": 2 / 255},
    "twice": {"image_processor_type": "EfficientNetImageProcessor", "include_top": True},
    "bytes": {"rescale_factor": 1.0, "image_mean": [120.0, 110.0, 100.0], "image_std": [60.0, 50.0, 40.0]},
    "plain": {"do_normalize": False},
    "bgr": {
        "image_processor_type": "MobileViTImageProcessor",
        "do_flip_channel_order": True,
        "do_center_crop": False,
        "size": {"shortest_edge": 32},
    },
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_model_gets_what_the_processor_would_give_it(tmp_path: Path, name: str) -> None:
    folder = saved(tmp_path / "vit", **PROCESSORS[name])
    classifier = Explanandum.load(f"hf:{folder}")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    theirs = transformers.AutoImageProcessor.from_pretrained(folder)(picture, return_tensors="pt")["pixel_values"]
    logits = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()(theirs).logits
    ours = classifier.preprocessing(picture)[None]
    assert torch.allclose(classifier(ours), logits, atol=1e-4)
    given = ours.flip(1) if name == "bgr" else ours
    assert torch.allclose(given, theirs, atol=1e-4)
    classifier.save(tmp_path / "classifier")
    again = Explanandum.load(tmp_path / "classifier")
    assert torch.equal(again(ours), classifier(ours))
    assert again.preprocessing == classifier.preprocessing


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"resample": 1}, "resamples by"), ({"do_resize": False}, "pictures of any size")],
)
def test_what_cannot_be_expressed_is_asked_for(tmp_path: Path, changes: dict[str, object], complaint: str) -> None:
    folder = saved(tmp_path / "vit", **changes)
    with pytest.raises(InputError, match=rf"preprocessing cannot be known.*its processor .*{complaint}"):
        Explanandum.load(f"hf:{folder}")
    own = Preprocessing(32, (0.5,) * 3, (0.5,) * 3)
    assert Explanandum.load(f"hf:{folder}", preprocessing=own).preprocessing == own


def test_a_regression_has_no_classes(tmp_path: Path) -> None:
    folder = saved(tmp_path / "vit")
    entries = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**entries, "problem_type": "regression"}))
    with pytest.raises(InputError, match="regression"):
        Explanandum.load(f"hf:{folder}")


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match=r"model.safetensors into a folder and name it: hf:FOLDER"):
        Explanandum.load(f"hf:{tmp_path / 'absent'}")


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    folder = saved(tmp_path / "vit")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="could not be loaded"):
        Explanandum.load(f"hf:{folder}")
