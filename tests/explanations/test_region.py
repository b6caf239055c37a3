from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.deploy.batch import explain_many
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations import region_files
from explanans.explanations.explanation import Explanation
from explanans.explanations.region import Region, RegionSettings, find_regions
from explanans.explanations.region_figure import measures, region_figure
from explanans.explanations.region_files import KIND, mask_of, row
from explanans.images.preprocessing import Preprocessing
from explanans.ops.outlines import outlines
from explanans.utils.disk_array import DiskArray
from explanans.utils.records import read_json

pytest.importorskip("skimage", reason="regions need scikit-image")


class Redness(nn.Module):
    """One class, whose logit is 40 · the share of red − 1: so many red pixels speak for it."""

    def forward(self, images: Tensor) -> Tensor:
        share = (images[:, 0] > 0).float().mean((1, 2))
        return torch.stack([40 * share - 1, 0 * share - 3], 1)


class Red(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(20.0))

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([self.scale * images[:, 0], -self.scale + 0 * images[:, 0]], 1)


def explainer() -> Explainer:
    preprocessing = Preprocessing(size=(40, 60), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    explanandum = Explanandum(Redness(), classes=("crack", "other"), activation="sigmoid", preprocessing=preprocessing)
    return Explainer(explanandum, Red())


def photo() -> Image.Image:
    """Red squares of 20 and of 6 pixels, and a red line of 2 × 40; the photo has twice the input's size."""
    pixels = np.zeros((80, 120, 3), np.uint8)
    pixels[10:30, 10:30, 0] = pixels[60:66, 20:26, 0] = pixels[50:52, 60:100, 0] = 255
    return Image.fromarray(pixels)


def explained() -> Explanation:
    found = explainer().explain(photo())
    assert isinstance(found, Explanation)
    return found


def test_regions_of_a_photo_by_hand() -> None:
    found = explained()
    square, line, small = found["crack"].regions(classifier=explainer().explanandum)
    assert [each.number for each in (square, line, small)] == [1, 2, 3]
    assert (square.area, square.box, square.centroid) == (400, (10, 10, 20, 20), (20, 20))
    assert square.share == 400 / 9600
    assert (line.area, line.box) == (80, (60, 50, 40, 2))
    assert (line.length, line.mean_width, line.largest_width) == pytest.approx((40, 2, 2), abs=0.1)
    assert small.area == 36
    assert 0.5 <= small.mean <= small.highest <= 1
    # At the input 100 of 2,400 pixels are in the square alone, under either fill; all of them are 129.
    assert square.receipt is not None
    assert square.receipt.whole == pytest.approx(1 / (1 + math.exp(1 - 40 * 129 / 2400)))
    assert square.receipt.fills["mean"].kept == pytest.approx(1 / (1 + math.exp(1 - 40 * 100 / 2400)))
    assert square.receipt.fills["mean"].removed == pytest.approx(1 / (1 + math.exp(1 - 40 * 29 / 2400)))
    assert found.regions()[0].receipt is None
    assert (
        square.mask(80, 120)
        == (np.asarray(photo())[..., 0] > 0) & (np.arange(120) < 30) & (np.arange(80) < 30)[:, None]
    ).all()


def test_millimetres() -> None:
    scaled = explained()["crack"].regions(RegionSettings(mm_per_pixel=0.5))[1]
    assert scaled.area_mm2 == pytest.approx(20, rel=0.02)
    assert scaled.area_mm2 == scaled.fine_area / 4
    assert (scaled.length_mm, scaled.mean_width_mm, scaled.largest_width_mm) == pytest.approx((20, 1, 1), abs=0.05)
    assert measures(scaled)[:2] == ["19.7 mm²", "20 mm"]
    plain = explained()["crack"].regions()[1]
    assert (plain.area_mm2, plain.length_mm) == (None, None)
    assert measures(plain)[0] == "79 px²"


def test_what_is_small_is_dropped_and_few_are_asked_about() -> None:
    settings = RegionSettings(smallest=50, receipts=1)
    found = explained()["crack"].regions(settings, explainer().explanandum)
    assert [each.area for each in found] == [400, 80]
    assert [each.receipt is None for each in found] == [False, True]


def test_a_region_smaller_than_a_pixel_of_the_input_has_a_receipt() -> None:
    mask = np.zeros((400, 600), np.float32)
    mask[100:103, 100:103] = 1
    (found,) = find_regions(
        mask,
        "crack",
        0,
        0.5,
        settings=RegionSettings(smallest=1),
        picture=Image.new("RGB", (600, 400)),
        classifier=explainer().explanandum,
    )
    assert found.receipt is not None
    assert found.receipt.area == pytest.approx(1 / 2400)


@pytest.mark.parametrize("snap", [False, True])
def test_strips_on_the_disk_are_the_whole_array_to_the_bit(snap: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 256, (11, 16), np.uint8))
    bytes_ = np.asarray(small.resize((150, 101), Image.Resampling.BICUBIC))
    picture = Image.fromarray(random.integers(0, 256, (101, 150, 3), np.uint8))
    settings = RegionSettings(smallest=4, snap=snap, receipts=3)
    classifier = explainer().explanandum

    def found(mask: Any) -> tuple[Region, ...]:
        return find_regions(mask, "crack", 0, 0.5, settings=settings, picture=picture, classifier=classifier)

    wanted = found((bytes_ / np.float32(255)).astype(np.float32))
    assert len(wanted) >= 3
    assert sum(each.receipt is not None for each in wanted) == 3
    stored = DiskArray(bytes_.shape, np.uint8)
    stored[:] = bytes_
    for name in ("cut_regions", "snapping"):
        monkeypatch.setattr(f"explanans.ops.{name}.AT_ONCE", 700)
    monkeypatch.setattr("explanans.explanations.region.AT_ONCE", 700)
    for one, other in zip(found(stored), wanted, strict=True):
        assert row(one) == row(other)
        assert one.receipt == other.receipt
        assert (one.inside == other.inside).all()
        assert str(one.polygons) == str(other.polygons)


def test_no_region() -> None:
    assert find_regions(np.zeros((9, 9), np.float32), "crack", 0, 0.5) == ()
    sheet = region_figure(photo(), (), "photo")
    assert sheet.width > 640


def test_the_figure_shows_outlines() -> None:
    found = explained()
    sheet = np.asarray(found.region_figure(found.regions())).astype(int)
    photo_part = sheet[24 : 24 + 427, 24 : 24 + 640]
    orange = (abs(photo_part - np.array([230, 159, 0])).sum(2) < 30).nonzero()
    # Around the large square, whose sides are at 53 and 160 on the sheet.
    near = abs(orange[1] - 160) < 4
    assert (near & (orange[0] > 60) & (orange[0] < 150)).sum() > 50


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"smallest": -1}, "smallest=-1"),
        ({"receipts": -1}, "receipts=-1"),
        ({"largest_hole": -2}, "largest_hole"),
        ({"mm_per_pixel": 0.0}, "mm_per_pixel=0.0"),
        ({"mm_per_pixel": math.nan}, "mm_per_pixel=nan"),
    ],
)
def test_wrong_settings(settings: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        RegionSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.bad_input
def test_the_photo_is_needed() -> None:
    with pytest.raises(InputError, match="picture is None"):
        find_regions(np.ones((4, 4), np.float32), "crack", 0, 0.5, settings=RegionSettings(snap=True))


def test_files(tmp_path: Path) -> None:
    paths = []
    for number in range(2):
        paths.append(tmp_path / f"photo{number}.png")
        photo().rotate(180 * number).save(paths[-1])
    out, settings = tmp_path / "out", RegionSettings(mm_per_pixel=0.5)
    done = explain_many(explainer(), paths, out, regions=settings)
    found = explained().regions(settings)

    folders = [out / str(each.folder) for each in done]
    content = read_json(folders[0] / "regions.json", KIND)
    assert (content["type"], content["width"], content["height"]) == ("FeatureCollection", 120, 80)
    assert content["classes"][0]["name"] == "crack"
    for feature, region in zip(content["features"], found, strict=True):
        assert (mask_of(feature, 80, 120) == region.mask(80, 120)).all()
        assert feature["properties"]["length_mm"] == pytest.approx(region.length_mm)
        assert feature["properties"]["kept"] > 0
        outer = feature["geometry"]["coordinates"][0][0]
        assert outer[0] == outer[-1]
    with Image.open(folders[0] / "regions.png") as shown:
        assert shown.width > 640
    assert json.loads((folders[0] / "explanation.json").read_text())["regions"] == "regions.json"

    table = pq.read_table(out / "regions.parquet")
    assert table["area"].to_pylist() == [400, 80, 36] * 2
    assert table["picture"].to_pylist() == [str(paths[0])] * 3 + [str(paths[1])] * 3
    lines = (out / "regions.csv").read_text().splitlines()
    assert len(lines) == 7
    assert lines[0].split(",") == table.column_names

    coco = COCO(out / "regions.coco.json")
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["crack"]
    for number, region in zip(coco.getAnnIds(imgIds=[1]), found, strict=True):
        (annotation,) = coco.loadAnns([number])
        assert (coco.annToMask(annotation) == region.mask(80, 120)).all()
        assert annotation["bbox"] == list(region.box)

    # A second run finds all finished, and makes again what lacks a file.
    assert all(each.skipped for each in explain_many(explainer(), paths, out, regions=settings))
    (folders[1] / "regions.json").unlink()
    assert [each.skipped for each in explain_many(explainer(), paths, out, regions=settings)] == [True, False]
    with pytest.raises(InputError, match="regions"):
        explain_many(explainer(), paths, out, regions=RegionSettings(mm_per_pixel=1.0))


@pytest.mark.parametrize("seed", range(3))
def test_run_lengths_are_those_of_pycocotools(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(seed)
    for _ in range(30):
        whole = random.random(random.integers(1, 12, 2)) > random.random()
        if not whole.any():
            continue
        rows, columns = np.nonzero(whole)
        top, left = int(rows.min()), int(columns.min())
        inside = whole[top : rows.max() + 1, left : columns.max() + 1]
        rings = [[(ring + np.array([left, top])).tolist() for ring in each] for each in outlines(inside)]
        facts = {"left": left, "top": top, "width": inside.shape[1], "height": inside.shape[0]}
        monkeypatch.setattr(region_files, "AT_ONCE", int(random.integers(1, 100)))
        code = region_files.coco_code({"geometry": {"coordinates": rings}, "properties": facts}, *whole.shape)
        assert code.encode() == coco_masks.encode(np.asfortranarray(whole.astype(np.uint8)))["counts"]


def test_a_row_has_no_value_where_nothing_was_asked() -> None:
    found: Region = explained().regions()[0]
    assert row(found)["kept"] is None
    assert row(found)["area_mm2"] is None
    assert "kept" not in repr(found)
