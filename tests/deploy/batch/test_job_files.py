"""What a job leaves: tables of masks and receipts, COCO, soft masks as PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco

from explanans.deploy.batch.encode import FILES_PER_FOLDER, Mask, grey_png, masks_as_png
from explanans.explainers.explainer import Explainer
from explanans.explanations.word import score, word
from explanans.images.reading import read_image
from explanans.ops.refinement import enlarge

from .jobs import run


def logits_of(explainer: Explainer, path: Path) -> torch.Tensor:
    preprocessing = explainer.explanandum.preprocessing
    picture = read_image(path, fit=(preprocessing.height, preprocessing.width))
    with torch.no_grad():
        return explainer.eval().logits(preprocessing(picture)[None])[0]


def test_parquet_holds_the_masks_and_every_picture(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    outcome = run(explainer, photos, tmp_path / "out", receipts=True)
    assert (outcome.pictures, outcome.earlier) == (11, 0)
    ((source, reason),) = outcome.failed
    assert source.endswith("07.png")
    assert "not a picture" in reason or "cannot identify" in reason
    shards = sorted((tmp_path / "out" / "0000").iterdir())
    assert [shard.name for shard in shards] == ["0000000", "0000001", "0000002"]
    images = [row for shard in shards for row in pq.read_table(shard / "images.parquet").to_pylist()]
    assert [row["index"] for row in images] == list(range(11))
    assert [row["status"] for row in images].count("failed") == 1
    assert (images[0]["height"], images[0]["width"]) == (36, 40)
    masks = [row for shard in shards for row in pq.read_table(shard / "masks.parquet").to_pylist()]
    receipts = [row for shard in shards for row in pq.read_table(shard / "receipts.parquet").to_pylist()]
    assert len(masks) == len(receipts) == 2 * 10
    for mask, receipt in zip(masks, receipts, strict=True):
        row = images[mask["index"]]
        logits = logits_of(explainer, Path(row["source"]))
        decoded = coco.decode({"size": [mask["height"], mask["width"]], "counts": mask["rle"]})
        # One picture alone and in a batch differ in their last bits, which few pixels at the cut notice.
        assert (decoded != (logits[mask["class_index"]] >= 0).numpy()).mean() < 0.005
        assert mask["class"] == explainer.classes[mask["class_index"]]
        assert mask["probability"] == pytest.approx(row["probabilities"][mask["class_index"]])
        assert (receipt["index"], receipt["class"]) == (mask["index"], mask["class"])
        assert receipt["kept"] == pytest.approx(min(receipt["kept_mean"], receipt["kept_blur"]))
        assert receipt["area"] == pytest.approx(mask["area"], abs=1e-6)
        other = explainer.classes.index(receipt["other"]) if receipt["other"] else None
        assert other != mask["class_index"]
        assert receipt["other_whole"] == (None if other is None else pytest.approx(row["probabilities"][other]))
        shared = 0 if other is None else min(receipt["other_kept"] / receipt["other_whole"], 1)
        worth = score(receipt["whole"], receipt["kept"], receipt["elsewhere"], shared)
        assert receipt["score"] == pytest.approx(worth, abs=1e-5)
        assert receipt["word"] == word(receipt["area"], receipt["score"], receipt["other"], shared)


def test_coco_is_read_by_pycocotools(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    run(explainer, photos, tmp_path / "out", format="coco", size="photo")
    assert [path.name for path in (tmp_path / "out").rglob("masks.json")] == ["masks.json"]
    read = COCO(str(tmp_path / "out" / "masks.json"))
    assert read.dataset["info"]["root"] == str(photos)
    names = [image["file_name"] for image in read.dataset["images"]]
    assert names == [f"{'a' if n < 6 else 'b'}/{n:02d}.png" for n in range(11) if n != 7]
    assert sorted(read.getAnnIds()) == list(range(1, 21))
    for annotation in read.loadAnns(read.getAnnIds()):
        image = read.loadImgs(annotation["image_id"])[0]
        mask = read.annToMask(annotation)
        assert mask.shape == (image["height"], image["width"])
        assert mask.sum() == annotation["area"]
        logits = logits_of(explainer, photos / image["file_name"])[annotation["category_id"] - 1]
        expected = enlarge(logits[None, None], mask.shape)[0, 0] >= 0
        # Masks are enlarged, these logits: near the cut a few pixels differ.
        assert (mask != expected.numpy()).mean() < 0.02
    assert [each["name"] for each in read.dataset["categories"]] == list(explainer.classes)


def test_png_is_the_soft_mask(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    run(explainer, photos, tmp_path / "out", format="png", classes=["cow/ox"], top_k=None)
    found = sorted((tmp_path / "out").rglob("*.png"))
    assert len(found) == 10
    assert found[0].name == "0000000000-0002-cow_ox.png"
    expected = logits_of(explainer, photos / "a" / "00.png")[2].sigmoid()
    assert np.abs(np.asarray(Image.open(found[0])) / 255 - expected.numpy()).max() < 0.01


def test_no_folder_holds_more_than_ten_thousand_files() -> None:
    pixel = grey_png(np.zeros((1, 1), np.uint8))
    made = masks_as_png([Mask(index, "c", 0, 0.5, (1, 1), pixel) for index in range(FILES_PER_FOLDER + 3)])
    folders = [name.rpartition("/")[0] for name in made]
    assert folders.count("masks/0000") == FILES_PER_FOLDER
    assert folders.count("masks/0001") == 3
