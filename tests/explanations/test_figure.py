from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFont

from explanans.explanations.class_explanation import ClassExplanation
from explanans.explanations.figure import GAP, LONGEST, figure, panel_size, shorten
from explanans.explanations.receipt import Kept, Receipt

RED = (230, 30, 30)


def found(name: str = "dog", receipt: Receipt | None = None) -> ClassExplanation:
    mask = np.zeros((8, 8), np.float32)
    mask[2:6, 2:6] = 1
    return ClassExplanation(name, 0, 0.75, mask, 0.5, receipt, Image.new("RGB", (8, 8)), RED)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (4000, 3000), (10000, 30), (30, 10000)])
def test_any_photo_gives_a_figure_of_a_reasonable_size(size: tuple[int, int]) -> None:
    drawn = figure(Image.new("RGB", size, "white"), [found()], "photo", ["a note"])
    assert drawn.mode == "RGB"
    assert 500 < drawn.width < 1400
    assert drawn.height < 800
    assert max(panel_size(Image.new("1", size))) <= LONGEST


def test_classes_stand_in_rows() -> None:
    photo = Image.new("RGB", (100, 100), "white")
    one, four, nine = (figure(photo, [found()] * count, "photo") for count in (1, 3, 8))
    cell = one.width - GAP
    assert four.width - GAP == 2 * cell
    assert four.height == one.height
    assert nine.width == four.width
    assert nine.height - GAP == 3 * (one.height - GAP)


def test_photo_and_tinted_photo() -> None:
    drawn = np.asarray(figure(Image.new("RGB", (100, 100), "white"), [found()], "photo"))
    side = panel_size(Image.new("1", (100, 100)))[0]
    photo, tinted = (
        drawn[GAP : GAP + side, GAP : GAP + side],
        drawn[GAP : GAP + side, 2 * GAP + side : 2 * (GAP + side)],
    )
    assert (photo == 255).all()
    assert tinted[0, 0].tolist() == [255, 255, 255]
    assert np.abs(tinted[side // 2, side // 2] - (np.array(RED) + 255.0) / 2).max() <= 2


def test_bars_are_as_long_as_their_values() -> None:
    receipt = Receipt(whole=1.0, fills={"mean": Kept(0.5, 0.0)}, area=0.25, mask_threshold=0.5, elsewhere=0.25)
    drawn = np.asarray(figure(Image.new("RGB", (100, 100), "white"), [found(receipt=receipt)], "photo"))
    caption = drawn[GAP + 400 + 16 + 25 :, GAP + 400 + GAP :]
    lengths = (caption == RED).all(2).sum(1)
    rows = [int(length) for length in np.unique(lengths) if length > 20]
    assert rows[-1] > 200
    assert max(row for row in rows if row < 0.7 * rows[-1]) == pytest.approx(rows[-1] / 2, abs=2)


def test_long_and_foreign_names() -> None:
    font = ImageFont.load_default(20)
    assert shorten("dog", font, 200) == "dog"
    short = shorten("a very long name\nof a class " * 5, font, 200)
    assert short.endswith("…")
    assert font.getlength(short) <= 200
    photo = Image.new("RGB", (50, 50))
    assert figure(photo, [found("größe " * 40), found("ж"), found("")], "x" * 300).size == (
        figure(photo, [found(), found(), found()], "photo").size
    )
