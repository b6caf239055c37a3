from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explanans.errors import InputError

from .colour_explainer import BLUE, RED, explainer, one, photo, sigmoid


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


@pytest.mark.parametrize("size", [(1, 1), (1000, 3), (3, 1000)])
def test_odd_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    explanation = one(explainer().explain(Image.new("RGB", size, RED)))
    assert explanation["red"].mask.shape == (size[1], size[0])
    for drawn in (explanation, explanation["red"]):
        assert drawn.overlay().size == drawn.contour().size == drawn.cutout().size == size
        assert drawn.figure().mode == "RGB"
    assert (explanation.save(tmp_path / "result") / "explanation.json").is_file()


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


def test_a_class_has_the_same_colour_in_every_photo() -> None:
    model = explainer()
    alone = one(model.explain(photo(RED, BLUE), classes="blue"))["blue"].colour
    assert one(model.explain(photo(RED, BLUE), classes=["red", "blue"]))["blue"].colour == alone


def test_short_reprs() -> None:
    model = explainer()
    assert repr(model.explanandum) == "Explanandum(MeanColour: 3 classes (red, green, blue), sigmoid, 8 × 8 RGB)"
    assert repr(model) == f"Explainer(Channels of {model.explanandum!r}, not trained)"
