from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from explanans.errors import InputError
from explanans.explanations.explain import explain
from explanans.explanations.explanation import Explanation
from explanans.images.reading import ImageError

from .colour_explainer import BLUE, CLASSES, RED, explainer, many, one, photo


def test_input_mask_is_the_explainers() -> None:
    model, picture = explainer(), photo((255, 200, 0), (200, 90, 130))
    inputs = model.explanandum.preprocessing(picture)[None]
    explanation = one(model.explain(picture, classes=[0, 1, 2]))
    for found in explanation:
        assert torch.from_numpy(found.input_mask) == pytest.approx(model(inputs)[0, found.index].detach())


def test_which_classes() -> None:
    picture = photo((255, 255, 0), RED)
    model, softmax = explainer(), explainer("softmax")
    assert one(model.explain(picture, threshold=0.6)).classes == ("red",)
    assert one(model.explain(picture, threshold=0)).classes == ("red", "green", "blue")
    assert one(model.explain(picture, top_k=1)).classes == ("red",)
    assert one(model.explain(picture, top_k=9)).classes == ("red", "green", "blue")
    assert one(model.explain(picture, classes="blue")).classes == ("blue",)
    assert one(model.explain(picture, classes=["blue", 0])).classes == ("red", "blue")
    assert one(softmax.explain(picture)).classes == ("red",)
    assert one(softmax.explain(picture, top_k=2)).classes == ("red", "green")
    pictures = [picture, picture, picture]
    multi_hot = torch.tensor([[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    found = many(model.explain(pictures, classes=multi_hot, batch_size=2))
    assert [explanation.classes for explanation in found] == [("red", "blue"), (), ("green",)]
    assert "no classes asked for" in repr(found[1])
    found = many(model.explain(pictures, classes=torch.tensor([2, 1, 0])))
    assert [explanation.classes for explanation in found] == [("blue",), ("green",), ("red",)]


def test_kinds_and_order(tmp_path: Path) -> None:
    path = tmp_path / "blue.png"
    Image.new("RGB", (5, 4), BLUE).save(path)
    red = Image.new("RGB", (3, 2), RED)
    green = np.zeros((6, 7, 3), np.uint8)
    green[:, :, 1] = 255
    tensor = torch.from_numpy(green).permute(2, 0, 1)
    images = [path, red, green, tensor, str(path), path.read_bytes(), Image.open(path)]
    found = many(explainer().explain(images, batch_size=3))
    names = [explanation.classes for explanation in found]
    assert names == [("blue",), ("red",), ("green",), ("green",), ("blue",), ("blue",), ("blue",)]
    assert [explanation.picture.size for explanation in found[:4]] == [(5, 4), (3, 2), (7, 6), (7, 6)]
    assert [explanation.source for explanation in found] == [str(path), None, None, None, str(path), None, str(path)]
    for single in (path, red, green, tensor, path.read_bytes()):
        assert isinstance(explainer().explain(single), Explanation)
    assert len(many(explainer().explain(np.stack([green, green])))) == 2
    assert len(many(explainer().explain(iter([red, red])))) == 2
    assert explainer().explain([]) == []


def test_odd_modes(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(RED, BLUE).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("CMYK", (9, 7)).save(tmp_path / "cmyk.jpg")
    Image.new("RGBA", (6, 5), (255, 0, 0, 255)).save(tmp_path / "alpha.png")
    Image.new("L", (6, 5), 140).save(tmp_path / "grey.png")
    names = ("turned.jpg", "alpha.png", "grey.png")
    turned, alpha, grey = many(explainer().explain([tmp_path / name for name in names], threshold=0.4))
    assert turned.picture.size == (20, 40)
    # Turned by 90° clockwise, what was on the left is above.
    assert turned["red"].mask[:10].mean() > 0.95
    assert turned["red"].mask[-10:].mean() < 0.05
    assert alpha.classes == ("red",)
    assert set(grey.classes) == set(CLASSES)
    with pytest.raises(InputError, match=r"cmyk\.jpg: the classifier.s probabilities are NaN"):
        explainer().explain([tmp_path / "grey.png", tmp_path / "cmyk.jpg"])


def test_batch_size_changes_nothing() -> None:
    generator = np.random.default_rng(0)
    pictures = [generator.integers(60, 256, (20, 30, 3), np.uint8) for _ in range(5)]
    model = explainer()
    small, large = many(model.explain(pictures, batch_size=2)), many(model.explain(pictures, batch_size=100))
    assert model.network.sizes == [2, 2, 1, 5]
    for here, there in zip(small, large, strict=True):
        assert here.classes == there.classes
        assert here.probabilities == pytest.approx(there.probabilities)
        for found, other in zip(here, there, strict=True):
            assert found.input_mask == pytest.approx(other.input_mask)
            assert found.receipt.to_dict()["fills"]["blur"] == pytest.approx(other.receipt.to_dict()["fills"]["blur"])


def test_modes_and_gradients_are_left_as_they_were(tmp_path: Path) -> None:
    model = explainer().train()
    model.network.frozen.eval()
    before = {name: part.training for name, part in model.named_modules()}
    explanation = one(model.explain(photo(RED, BLUE)))
    assert explanation["red"].probability == pytest.approx(0.5)
    with pytest.raises(ImageError):
        model.explain(tmp_path / "absent.jpg")
    assert {name: part.training for name, part in model.named_modules()} == before
    assert before["network"]
    assert not before["network.frozen"]
    # The first forward is the check at construction.
    assert not any(model.explanandum.module.grads[1:])
    assert torch.is_grad_enabled()


def test_receipts_off_and_settings() -> None:
    model = explainer()
    calls = len(model.explanandum.module.grads)
    explanation = one(model.explain(photo(RED, BLUE), receipts=False))
    assert explanation["red"].receipt is None
    assert len(model.explanandum.module.grads) == calls + 1
    assert explanation.figure().height < one(model.explain(photo(RED, BLUE))).figure().height
    explanation = one(model.explain(photo(RED, BLUE), fills="black", mask_threshold=1.0))
    receipt = explanation["red"].receipt
    assert receipt is not None
    assert list(receipt.fills) == ["black"]
    assert receipt.mask_threshold == 1


def test_half_precision() -> None:
    model = explainer().to(torch.bfloat16)
    explanation = one(model.explain(photo(RED, BLUE)))
    assert explanation["red"].input_mask.dtype == np.float32


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"classes": "dog"}, "dog"),
        ({"classes": 3}, "outside"),
        ({"classes": "red", "top_k": 2}, "top_k"),
        ({"top_k": 0}, "top_k"),
        ({"threshold": 1.5}, "threshold"),
        ({"mask_threshold": 0}, "mask_threshold"),
        ({"batch_size": 0}, "batch_size"),
        ({"fills": "purple-ish"}, "purple-ish"),
        ({"fills": []}, "fills"),
    ],
)
def test_bad_options(options: dict, word: str) -> None:
    with pytest.raises(InputError, match=word):
        explain(explainer(), Image.new("RGB", (4, 4), RED), **options)


def test_bad_images(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    good = Image.new("RGB", (4, 4), RED)
    for wrong in (tmp_path / "absent.jpg", empty, tmp_path):
        with pytest.raises(ImageError) as caught:
            explainer().explain([good, wrong])
        assert caught.value.path == wrong
        assert str(wrong) in str(caught.value)
    for wrong in (None, 3, torch.zeros(2, 2), {"a": 1}):
        with pytest.raises(InputError):
            explainer().explain(wrong)


def test_nan_masks() -> None:
    model = explainer()
    nn.init.constant_(model.network.scale, torch.nan)
    with pytest.raises(InputError, match="image number 0, counted from 0: the masks are NaN"):
        model.explain(Image.new("RGB", (4, 4), RED))
