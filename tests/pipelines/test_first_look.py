"""Real photos at once: the page, the pictures, and to whom they are owed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.benchmark.report.pages import Page, captions

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.pipelines.first_look import first_look
from explanans.pipelines.package_photos import photos


@pytest.fixture(scope="module")
def classifier() -> Explanandum:
    torch.manual_seed(0)
    preprocessing = Preprocessing(32, (0.5,) * 3, (0.25,) * 3)
    module = SmallResNet(3, (4, 8))
    return Explanandum(module, classes=("a", "<b>", "c"), activation="softmax", preprocessing=preprocessing)


def test_every_photo_is_shown_with_its_credit(classifier: Explanandum, tmp_path: Path) -> None:
    said: list[str] = []
    page = first_look(tmp_path, methods=("spread_cam", "grad_cam"), classifier=classifier, say=said.append)
    shipped = photos()
    assert len(said) == len(shipped) >= 5
    shown = Page(page.read_text(encoding="utf-8"))
    under = captions(shown.root)
    for photo in shipped:
        owed = [text for text in under if " ".join(photo.author.split()) in text and photo.source in text]
        assert [text.split(".")[0] for text in owed] == ["Spread-CAM", "Grad-CAM"]
        assert all("CC BY 2.0" in text and "resized and cropped" in text for text in owed)
        with Image.open(tmp_path / f"{Path(photo.file.name).stem}.png") as picture:
            assert picture.width > 600


def test_photos_are_pictures_that_may_be_shipped() -> None:
    for photo in photos():
        assert photo.licence == "CC BY 2.0"
        assert photo.source.startswith("https://")
        with photo.file.open("rb") as file, Image.open(file) as picture:
            assert picture.format == "JPEG"


def test_a_method_that_is_unknown_is_refused_before_anything_is_written(
    classifier: Explanandum, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="spred_cam"):
        first_look(tmp_path / "out", methods=("spred_cam",), classifier=classifier)
    assert not (tmp_path / "out").exists()
