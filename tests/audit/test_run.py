"""The whole pass, its table and its resumption, on photos of which everything is known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from explanans.audit import Photos, Settings, audit, open_photos
from explanans.audit.written_tables import TABLE
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explanations.batch import Masker

from .conftest import Square

Make = Callable[..., Photos]
FEW = Settings(shard_size=3, batch_size=2)


def squares(count: int) -> list[list[Square]]:
    """Red on the left in every other photo, green on the right in the others."""
    return [[Square("red", 4, 4)] if n % 2 == 0 else [Square("green", 20, 20)] for n in range(count)]


def test_rows_and_sums(make_photos: Make, masker: Masker, tmp_path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    found = audit(
        masker, make_photos(squares(8)), tmp_path / "out", FEW, workers=0, told=lambda *what: said.append(what)
    )
    table = pq.read_table(tmp_path / "out" / "photos.parquet")
    assert table.schema.names == TABLE.names
    rows = table.to_pylist()
    assert [(row["index"], row["class"], row["labelled"], row["seen"]) for row in rows] == [
        (n, "red" if n % 2 == 0 else "green", True, True) for n in range(8)
    ]
    assert rows[0]["x"] == pytest.approx(8 / 32, abs=0.03)
    assert rows[1]["x"] == pytest.approx(24 / 32, abs=0.03)
    assert rows[0]["outside"] < 0.35
    assert rows[0]["inside"] > 0.2
    assert rows[0]["probability"] > 0.99
    red, green, blue = found.classes
    assert (red.labelled, red.seen, red.right, red.wrong, red.missed) == (4, 4, 4, 0, 0)
    assert red.located == 4
    assert red.mean_mask is not None
    assert red.mean_mask[4][4] > 0.9
    assert red.mean_mask[12][12] == 0
    assert green.mean_mask is not None
    assert green.mean_mask[12][12] > 0.9
    assert (blue.labelled, blue.seen, blue.mean_mask, blue.holding) == (0, 0, None, None)
    assert found.photos == 8
    assert ("looking", 8, 8) in said
    assert said[-1] == ("asking about suspects", 3, 3)
    assert json.loads((tmp_path / "out" / "findings.json").read_text())["classes"][0]["name"] == "red"


def test_masks_are_of_whole_evidence(make_photos: Make, masker: Masker, tmp_path: Path) -> None:
    """What is accused is to be hidden whole, so masks that end where the picture's things do are not enough."""
    audit(masker, make_photos(squares(4)), tmp_path / "out", FEW, workers=0)
    explained = json.loads((tmp_path / "out" / "explained" / "job.json").read_text())["settings"]
    assert explained["method"] == masker.whole_evidence().identity()["method"]
    assert explained["method"]["cut"] == "whole evidence"
    assert masker.identity()["method"]["cut"] == "edges"


def test_wrong_and_missed(make_photos: Make, masker: Masker, tmp_path: Path) -> None:
    """What is drawn into photo 0 and 1 is not in their labels; the square of photo 2 is painted over."""

    def draw(pixels: object, number: int) -> None:
        if number < 2:
            pixels[20:28, 20:28] = (0, 0, 255)  # type: ignore[index]
        if number == 2:
            pixels[4:12, 4:12] = 128  # type: ignore[index]

    found = audit(masker, make_photos(squares(6), draw), tmp_path / "out", FEW, workers=0)
    red, _, blue = found.classes
    assert (red.labelled, red.right, red.wrong, red.missed) == (3, 2, 0, 1)
    assert (blue.labelled, blue.right, blue.wrong, blue.missed) == (0, 0, 2, 0)
    # Of a class that is not there nobody asks whether its mask lies inside.
    assert blue.located == 0


def test_an_interrupted_one_goes_on_to_the_same_bytes(make_photos: Make, masker: Masker, tmp_path: Path) -> None:
    photos = make_photos(squares(8))
    whole, again = tmp_path / "whole", tmp_path / "again"
    audit(masker, photos, whole, FEW, workers=0)
    audit(masker, photos, again, FEW, workers=0)
    stays = (again / "looked" / "0000000.parquet").stat().st_mtime_ns
    shutil.rmtree(again / "explained" / "0000" / "0000002")
    (again / "looked" / "0000001.parquet").unlink()
    (again / "photos.parquet").unlink()
    audit(masker, photos, again, FEW, workers=0)
    assert (again / "looked" / "0000000.parquet").stat().st_mtime_ns == stays
    for name in ("photos.parquet", "findings.json", "looked/0000001.parquet"):
        assert (again / name).read_bytes() == (whole / name).read_bytes()


def test_predictions_only(make_photos: Make, masker: Masker, explanandum: Explanandum, tmp_path: Path) -> None:
    make_photos(squares(4))
    for path in (tmp_path / "photos").glob("*-map.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"no sub-folder.* Pictures without labels are audited with --no_labels"):
        open_photos(explanandum, tmp_path / "photos")
    photos = open_photos(explanandum, tmp_path / "photos", labels=False)
    found = audit(masker, photos, tmp_path / "out", FEW, workers=0)
    assert (found.classes[0].labelled, found.classes[0].seen, found.classes[0].right) == (None, 2, None)
    assert pq.read_table(tmp_path / "out" / "photos.parquet")["labelled"].null_count == 4


def test_boxes(make_photos: Make, masker: Masker, tmp_path: Path) -> None:
    """A box around photo 0's square, one far from photo 2's, and one outside of photo 4."""
    table = tmp_path / "boxes.csv"
    lines = ["000.png,red,2,2,14,14", "002.png,red,20,20,30,30", "004.png,red,90,90,99,99"]
    table.write_text("image,class,left,top,right,bottom\n" + "\n".join(lines) + "\n")
    audit(masker, make_photos(squares(6), segmentation=False, boxes=table), tmp_path / "out", FEW, workers=0)
    rows = {row["index"]: row for row in pq.read_table(tmp_path / "out" / "photos.parquet").to_pylist()}
    assert rows[0]["inside"] > 0.75
    assert (rows[2]["inside"], rows[2]["outside"]) == (0, 1)
    assert rows[4]["inside"] is None
    assert "lies outside of the photo, which is 32 wide and 32 high" in rows[4]["trouble"]
    # Of a class without a box nothing is known.
    assert (rows[1]["inside"], rows[1]["trouble"]) == (None, "")


@pytest.mark.bad_input
def test_segmentation_of_another_size(make_photos: Make, masker: Masker, tmp_path: Path) -> None:
    photos = make_photos(squares(4))
    path = tmp_path / "photos" / "002-map.png"
    Image.open(path).resize((16, 16), Image.Resampling.NEAREST).save(path)
    found = audit(masker, photos, tmp_path / "out", FEW, workers=0)
    assert (found.troubled, found.classes[0].seen, found.classes[0].located) == (1, 2, 1)
    rows = pq.read_table(tmp_path / "out" / "photos.parquet").to_pylist()
    assert "the segmentation has 16 x 16 pixels" in rows[2]["trouble"]


@pytest.mark.bad_input
def test_a_photo_that_cannot_be_read_stops_nothing(make_photos: Make, masker: Masker, tmp_path: Path) -> None:
    photos = make_photos(squares(4))
    (tmp_path / "photos" / "001.png").write_bytes(b"no picture")
    found = audit(masker, photos, tmp_path / "out", FEW, workers=0)
    assert (found.photos, len(found.failed), found.classes[1].seen) == (3, 1, 1)
    assert "001.png" in (tmp_path / "out" / "failed.csv").read_text()
    for path in (tmp_path / "photos").glob("0*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match="none of the 4 photos could be used; the first"):
        audit(masker, Photos(photos.data), tmp_path / "other", FEW, workers=0)


@pytest.mark.bad_input
@pytest.mark.parametrize("count", [1, 5])
def test_one_photo_and_photos_that_are_all_alike(count: int, make_photos: Make, masker: Masker, tmp_path: Path) -> None:
    found = audit(masker, make_photos([[Square("red", 4, 4)]] * count), tmp_path / "out", FEW, workers=0)
    assert (found.classes[0].seen, found.classes[1].seen) == (count, 0)


@pytest.mark.bad_input
def test_features_that_are_nan(
    make_photos: Make, masker: Masker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from explanans.audit.features import Embedder

    monkeypatch.setattr(Embedder, "_of", lambda self, images, kept: torch.full((len(images), 3), torch.nan))
    found = audit(masker, make_photos(squares(4)), tmp_path / "out", FEW, workers=0)
    assert (found.troubled, found.classes[0].seen) == (4, 2)
    trouble = pq.read_table(tmp_path / "out" / "photos.parquet")["trouble"].to_pylist()
    assert set(trouble) == {"the classifier's features of what the mask keeps are NaN"}


@pytest.mark.bad_input
def test_what_is_refused(make_photos: Make, masker: Masker, explanandum: Explanandum, tmp_path: Path) -> None:
    photos = make_photos(squares(4))
    audit(masker, photos, tmp_path / "out", FEW, workers=0)
    with pytest.raises(InputError, match=r"options\.seed was 0, is 1"):
        audit(masker, photos, tmp_path / "out", Settings(3, 2, seed=1), workers=0)
    (tmp_path / "photos" / "000.png").write_bytes((tmp_path / "photos" / "001.png").read_bytes())
    with pytest.raises(InputError, match=r"photos.hash was"):
        audit(masker, photos, tmp_path / "out", FEW, workers=0)
    with pytest.raises(InputError, match="shard_size=0"):
        Settings(shard_size=0)
    photos.data.classes = ("a", "b", "c")
    with pytest.raises(InputError, match="open it with the classifier's"):
        open_photos(explanandum, photos.data)
