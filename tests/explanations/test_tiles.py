from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.cli.main import main
from explanans.deploy.batch import explain_many
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations import tiled_explanation as module
from explanans.explanations.batch import Settings
from explanans.explanations.explanation import Explanation
from explanans.explanations.region import RegionSettings
from explanans.explanations.tiled_explanation import ScanExplanation
from explanans.explanations.tiles import Tiling
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import ImageError

SIDE = 32


class Brightness(nn.Module):
    """A channel's class is there where a sixteenth of the tile is bright; NaN on pure white."""

    def forward(self, images: Tensor) -> Tensor:
        share = (images > 0).float().mean((2, 3))
        white = (images == 1).all(1).all(1).all(1)
        return torch.where(white[:, None], torch.nan, 100 * share - 6.25)


class Channels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(20.0))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * images


def explainer() -> Explainer:
    preprocessing = Preprocessing(size=SIDE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    names = ("red", "green", "blue")
    return Explainer(
        Explanandum(Brightness(), classes=names, activation="sigmoid", preprocessing=preprocessing), Channels()
    )


def photo(width: int = 150, height: int = 110) -> Image.Image:
    """Red at the left border and a green square; nothing blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[20:60, :12, 0] = 255
    pixels[70:90, 100:120, 1] = 255
    return Image.fromarray(pixels)


def one(**settings: object) -> Explanation:
    found = explainer().explain(photo(), tile=SIDE, **settings)  # type: ignore[arg-type]
    assert isinstance(found, Explanation)
    return found


def test_masks_are_those_of_the_whole_picture() -> None:
    found = one(overlap=0.5)
    assert set(found.classes) == {"red", "green"}
    for name, channel in (("red", 0), ("green", 1)):
        truth = np.asarray(photo())[..., channel] > 0
        mask = found[name].mask
        assert mask.shape == (110, 150)
        # Tiles with less than a sixteenth of the class have no mask, and take what they share away.
        assert (mask[~truth] < 0.01).all()
        assert ((mask >= 0.5) & truth).sum() > 0.9 * truth.sum()
    assert one(overlap=0.5, classes=["red"]).classes == ("red",)


def test_probabilities_are_the_highest_of_the_tiles() -> None:
    found = one(overlap=0)
    facts = found.facts["tiles"]
    assert (facts["tiles"], facts["merge"], facts["size"]) == (5 * 4, "max", SIDE)
    reds = [each for each in facts["found"] if each["class"] == "red"]
    assert found.probabilities["red"] == pytest.approx(max(each["probability"] for each in reds))
    assert {(each["left"], each["width"]) for each in reds} == {(0, 32)}
    # In the whole picture there is too little red.
    whole = explainer().explain(photo())
    assert isinstance(whole, Explanation)
    assert whole.probabilities["red"] < 0.5 < found.probabilities["red"]
    mean = one(overlap=0, merge="mean", classes=["red"])
    assert mean.probabilities["red"] < found.probabilities["red"] / 2
    assert one(merge="whole", classes=["red"]).probabilities["red"] == pytest.approx(whole.probabilities["red"])


def test_receipts_are_merged() -> None:
    found = one(overlap=0)
    receipt = found["red"].receipt
    tiles = [each for each in found.facts["tiles"]["found"] if each["class"] == "red"]
    assert receipt is not None
    assert receipt.whole == found["red"].probability
    assert receipt.kept <= max(each["kept"] for each in tiles) + 1e-6
    assert receipt.fills["mean"].kept == pytest.approx(receipt.whole, abs=1e-3)
    # Nothing red is left, in tiles with a mask or without one.
    assert receipt.fills["mean"].removed < 0.1
    assert receipt.area == pytest.approx(40 * 12 / (110 * 150), rel=0.1)
    assert one(receipts=False)["red"].receipt is None
    assert one(merge="whole", classes=["red"])["red"].receipt is not None


def test_removed_counts_tiles_without_a_mask() -> None:
    # Asked for a class that is seen nowhere: one tile has a mask, the others still say what they say.
    found = one(classes=["blue"], overlap=0)
    assert found.classes == ("blue",)
    receipt = found["blue"].receipt
    assert receipt is not None
    assert receipt.removed == pytest.approx(found.probabilities["blue"], abs=1e-6)
    assert len(found.facts["tiles"]["found"]) == 1


def test_no_seam_between_tiles() -> None:
    ramp = np.linspace(60, 200, 200)[None] * np.ones((130, 1))
    picture = Image.fromarray(np.stack([ramp, 0 * ramp, 0 * ramp], 2).astype(np.uint8))
    found = explainer().explain(picture, tile=SIDE, overlap=0.5, classes=["red"])
    assert isinstance(found, Explanation)
    mask = found["red"].mask
    steps = np.abs(np.diff(mask, axis=1))
    assert steps.max() < 0.2


def test_a_picture_smaller_than_a_tile() -> None:
    small = photo().crop((0, 20, 24, 50))
    tiled = explainer().explain(small, tile=64)
    whole = explainer().explain(small)
    assert isinstance(tiled, Explanation)
    assert isinstance(whole, Explanation)
    assert tiled["red"].mask == pytest.approx(whole["red"].mask, abs=1 / 255)
    assert tiled.probabilities == pytest.approx(whole.probabilities)


def test_a_tile_with_nan_names_its_place() -> None:
    picture = photo()
    picture.paste("white", (110, 0, 150, 40))
    with pytest.raises(ImageError, match="the tile at 1"):
        explainer().explain(picture, tile=SIDE)


def test_large_pictures_are_shown_as_previews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 100 * 100)
    monkeypatch.setattr(module, "PREVIEW", 50)
    full = one()
    monkeypatch.undo()
    plain = one()
    assert isinstance(full, ScanExplanation)
    assert (full.size, full.picture.size) == ((150, 110), (50, 37))
    red = full["red"]
    assert (red.full_mask[:] == np.rint(plain["red"].mask * 255)).all()  # type: ignore[attr-defined]
    # Three by three pixels are averaged; the last row has two.
    wanted = plain["red"].mask[:108].reshape(36, 3, 50, 3).mean((1, 3))
    assert red.mask[:36] == pytest.approx(wanted, abs=1e-3)
    assert red.mask[36] == pytest.approx(plain["red"].mask[108:].reshape(2, 50, 3).mean((0, 2)), abs=1e-3)
    assert red.receipt == plain["red"].receipt
    settings = RegionSettings(smallest=4)
    regions = red.regions(settings)
    assert [each.area for each in regions] == pytest.approx(
        [each.area for each in plain["red"].regions(settings)], abs=2
    )
    full.save(tmp_path / "scan", full.regions(settings))
    with (
        Image.open(tmp_path / "scan" / "red-0.mask.png") as mask,
        Image.open(tmp_path / "scan" / "red-0.overlay.png") as shown,
    ):
        assert (mask.size, shown.size) == ((150, 110), (50, 37))
    content = json.loads((tmp_path / "scan" / "explanation.json").read_text())
    assert (content["width"], content["height"]) == (150, 110)
    assert json.loads((tmp_path / "scan" / "regions.json").read_text())["width"] == 150


def test_many_pictures_in_tiles(tmp_path: Path) -> None:
    paths = [tmp_path / "good.png", tmp_path / "bad.png"]
    photo().save(paths[0])
    paths[1].write_bytes(b"no picture")
    done = explain_many(explainer(), paths, tmp_path / "out", Settings(receipts=False), tiling=Tiling(SIDE))
    assert [each.failure is None for each in done] == [True, False]
    again = explain_many(explainer(), paths, tmp_path / "out", Settings(receipts=False), tiling=Tiling(SIDE))
    assert again[0].skipped
    with pytest.raises(InputError, match="tiling"):
        explain_many(explainer(), paths, tmp_path / "out", Settings(receipts=False), tiling=Tiling(SIDE, 0.25))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"size": 4}, "tile=4"),
        ({"size": 64, "overlap": 1.0}, "overlap=1.0"),
        ({"size": 64, "overlap": -0.1}, "overlap=-0.1"),
        ({"size": 64, "merge": "median"}, "merge='median'; take one of max, mean, whole"),
    ],
)
def test_wrong_tiles(settings: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Tiling(**settings)  # type: ignore[arg-type]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--overlap", "0.3"], "add --tile"),
        (["--mm_per_pixel", "0.3"], "add --regions"),
        (["--smallest_region", "3"], "explanans: smallest_region: how regions are made"),
        (["--tile", "64", "--format", "parquet"], "add --format folders"),
        (["--regions", "--format", "png"], "add --format folders"),
        (["--tile", "8"], "tile=8"),
    ],
)
def test_options_that_do_not_fit(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "timm:resnet18", "photo.jpg", *words]) == 2
    assert says in capsys.readouterr().err
