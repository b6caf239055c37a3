from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations.class_explanation import file_stem
from explanans.explanations.explain import explain
from explanans.explanations.explanation import Explanation
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError

CLASSES = ("red", "green", "blue")
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


class MeanColour(nn.Module):
    """A class's logit is 4 · the mean of its channel, −4 … 4; NaN on white."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.grads: list[bool] = []

    def forward(self, images: Tensor) -> Tensor:
        self.grads.append(torch.is_grad_enabled())
        means = self.dropout(images.mean((2, 3)))
        return torch.where((means == 1).all(1, keepdim=True), torch.nan, 4 * means)


class Channels(nn.Module):
    """A class's mask is its channel, at half the resolution: 0 where it is black, 1 where it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(50.0))
        self.frozen = nn.BatchNorm2d(3, affine=False).eval()
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        return self.scale * nn.functional.avg_pool2d(images, 2)


def explainer(activation: Activation = "sigmoid", classes: tuple[str, ...] = CLASSES) -> Explainer:
    preprocessing = Preprocessing(size=8, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    explanandum = Explanandum(MeanColour(), classes=classes, activation=activation, preprocessing=preprocessing)
    return Explainer(explanandum, Channels())


def photo(left: tuple[int, int, int], right: tuple[int, int, int], size: tuple[int, int] = (40, 20)) -> Image.Image:
    picture = Image.new("RGB", size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    return picture


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def one(explanation: Explanation | list[Explanation]) -> Explanation:
    assert isinstance(explanation, Explanation)
    return explanation


def many(explanations: Explanation | list[Explanation]) -> list[Explanation]:
    assert isinstance(explanations, list)
    return explanations


def test_one_photo_by_hand() -> None:
    # Left yellow, right red: red is +1 everywhere, green +1 and −1, blue −1.
    explanation = one(explainer().explain(photo((255, 255, 0), RED)))
    assert explanation.classes == ("red", "green")
    assert len(explanation) == 2
    assert [found.name for found in explanation] == ["red", "green"]
    assert explanation.probabilities == pytest.approx({"red": sigmoid(4), "green": 0.5, "blue": sigmoid(-4)})
    assert explanation.picture.size == (40, 20)
    green = explanation["green"]
    assert (green.name, green.index, green.probability) == ("green", 1, pytest.approx(0.5))
    assert explanation[1] is green
    assert "green" in explanation
    assert "blue" not in explanation
    assert green.input_mask.shape == (8, 8)
    assert green.mask.shape == (20, 40)
    assert green.mask.dtype == np.float32
    assert green.mask[:, :14] == pytest.approx(1)
    assert green.mask[:, 26:] == pytest.approx(0, abs=1e-9)
    # Kept under the mean fill: green +1 on the left, 0 on the right; removed: 0 and −1; less what resizing mixes.
    assert green.receipt is not None
    assert green.receipt.area == 0.5
    assert green.receipt.fills["mean"].kept == pytest.approx(sigmoid(2), abs=0.03)
    assert green.receipt.fills["mean"].removed == pytest.approx(sigmoid(-2), abs=0.03)
    assert set(green.receipt.fills) == {"mean", "blur"}
    assert "green 0.50" in repr(explanation)


def test_input_mask_is_the_explainers() -> None:
    model, picture = explainer(), photo((255, 200, 0), (200, 90, 130))
    inputs = model.explanandum.preprocessing(picture)[None]
    explanation = one(model.explain(picture, classes=[0, 1, 2]))
    for found in explanation:
        assert torch.from_numpy(found.input_mask) == pytest.approx(model(inputs)[0, found.index].detach())


def test_nothing_seen() -> None:
    explanation = one(explainer().explain(Image.new("RGB", (30, 20), (90, 100, 80))))
    assert len(explanation) == 0
    assert list(explanation) == []
    assert repr(explanation).startswith("Explanation(no classes of probability 0.5 or more; most probable: green 0.")
    with pytest.raises(InputError, match=r"'red' is not explained here.*classes='red'"):
        explanation["red"]
    with pytest.raises(InputError, match="not a class"):
        explanation["dog"]
    assert explanation.overlay() == explanation.contour() == explanation.picture
    assert explanation.cutout().getextrema()[3] == (0, 0)
    assert explanation.figure().mode == "RGB"


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


@pytest.mark.parametrize("size", [(1, 1), (1000, 3), (3, 1000)])
def test_odd_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    explanation = one(explainer().explain(Image.new("RGB", size, RED)))
    assert explanation["red"].mask.shape == (size[1], size[0])
    for drawn in (explanation, explanation["red"]):
        assert drawn.overlay().size == drawn.contour().size == drawn.cutout().size == size
        assert drawn.figure().mode == "RGB"
    assert (explanation.save(tmp_path / "result") / "explanation.json").is_file()


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


def test_drawings() -> None:
    explanation = one(explainer().explain(photo((255, 255, 0), RED)))
    green = explanation["green"]
    left, right = (5, 10), (35, 10)
    assert green.overlay(opacity=1.0).getpixel(left) == green.colour
    assert green.overlay().getpixel(right) == RED
    assert green.cutout().getpixel(left) == (255, 255, 0, 255)
    assert green.cutout().getpixel(right) == (*RED, 0)
    assert green.contour().getpixel(left) == (255, 255, 0)
    assert explanation.overlay(opacity=1.0).getpixel(left) == explanation["red"].colour
    assert explanation.cutout().getpixel(right)[3] == 255
    assert explanation["red"].colour != green.colour


def test_save(tmp_path: Path) -> None:
    path = tmp_path / "my photo.png"
    photo((255, 255, 0), RED).save(path)
    model = explainer(classes=("a/b", "a_b", "größe"))
    explanation = one(model.explain(path, threshold=0))
    folder = explanation.save(tmp_path / "deep" / "result")
    names = {"explanation.json", "figure.png"} | {
        f"{stem}.{kind}.png" for stem in ("a_b-0", "a_b-1", "größe-2") for kind in ("mask", "overlay", "cutout")
    }
    assert {file.name for file in folder.iterdir()} == names
    assert [file.name for file in folder.parent.iterdir()] == ["result"]
    result = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
    assert result["source"] == str(path)
    assert (result["width"], result["height"]) == (40, 20)
    assert [entry["name"] for entry in result["classes"]] == ["a/b", "a_b", "größe"]
    first = result["classes"][0]
    assert first["probability"] == pytest.approx(sigmoid(4))
    assert first["receipt"]["kept"] == explanation["a/b"].receipt.kept
    assert result["probabilities"]["größe"] == pytest.approx(sigmoid(-4))
    assert result["classifier"]["weights_hash"] == model.explanandum.weights_hash
    assert result["settings"] == {
        "threshold": 0, "top_k": None, "mask_threshold": 0.5, "fills": ["mean", "blur"], "seed": 0,
    }  # fmt: skip
    assert {"explanans", "torch", "pillow", "python"} == set(result["versions"])
    second = result["classes"][1]
    with Image.open(folder / second["mask"]) as mask:
        assert (mask.mode, mask.size) == ("L", (40, 20))
        assert np.asarray(mask) == pytest.approx(255 * explanation["a_b"].mask, abs=0.51)
    with Image.open(folder / second["cutout"]) as cut:
        assert (cut.mode, cut.size) == ("RGBA", (40, 20))


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_save_leaves_what_was_there(
    failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explanation = one(explainer().explain(photo(RED, BLUE)))
    folder = explanation.save(tmp_path / "result")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    save, calls = Image.Image.save, []

    def failing(self: Image.Image, *args: object, **options: object) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise failure
        save(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "save", failing)
    for target in ("result", "new"):
        calls.clear()
        with pytest.raises(type(failure)):
            explanation.save(tmp_path / target)
    assert [file.name for file in tmp_path.iterdir()] == ["result"]
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_save_replaces_its_own_and_nothing_else(tmp_path: Path) -> None:
    both = one(explainer().explain(photo(RED, BLUE)))
    folder = both.save(tmp_path / "result")
    one(explainer().explain(Image.new("RGB", (4, 4), RED))).save(folder)
    assert not list(folder.glob("blue*"))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(InputError, match="holds other things"):
        both.save(tmp_path / "thesis")


def test_file_stems() -> None:
    names = ["a/b", "a\\b", "a b", "../../etc", "CON", "Dog", "dog", "", ".", "犬" * 200, "x\0y", "a:b*?"]
    stems = [file_stem(name, index) for index, name in enumerate(names)]
    assert len({stem.casefold() for stem in stems}) == len(names)
    assert file_stem("guide-dog", 7) == "guide-dog-7"
    for stem in stems:
        assert not set(stem) & set('/\\:*?"<>|\0. ')
        assert len(stem.encode()) < 120


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


def test_a_class_has_the_same_colour_in_every_photo() -> None:
    model = explainer()
    alone = one(model.explain(photo(RED, BLUE), classes="blue"))["blue"].colour
    assert one(model.explain(photo(RED, BLUE), classes=["red", "blue"]))["blue"].colour == alone


def test_short_reprs() -> None:
    model = explainer()
    assert repr(model.explanandum) == "Explanandum(MeanColour: 3 classes (red, green, blue), sigmoid, 8 × 8 RGB)"
    assert repr(model) == f"Explainer(Channels of {model.explanandum!r}, not trained)"
