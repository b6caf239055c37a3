from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from explanans.audit import Photos, Settings, audit
from explanans.audit.avoid import TABLE, regions_of, write_avoid
from explanans.audit.intervals import difference
from explanans.audit.suspects import Suspect
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, open_dataset
from explanans.data.index_maps import index_lookup
from explanans.explanations.batch import Masker
from explanans.images.preprocessing import Preprocessing


def suspect(kind: str, examples: list[int], **changes: Any) -> Suspect:
    effect = difference(60, 60, 0, 60)
    return Suspect(kind, "dog", 3, 3, "", effect, "", True, examples, **changes)  # type: ignore[arg-type]


@pytest.fixture
def rows(make_rows: Callable[..., Any]) -> Any:
    """Masks of three photos: rows 0 to 3, 4 to 7 and 8 to 11 of the grid."""
    cells = np.zeros((3, 16, 16), np.uint8)
    for number, mask in enumerate(cells):
        mask[4 * number : 4 * number + 4] = 255
    return make_rows(np.zeros((3, 2), np.float32), grid=[mask.tobytes() for mask in cells])


def test_a_place_in_every_photo_and_masks_in_their_own(rows: Any) -> None:
    place = suspect("place", [1], region=[(15, 15)], whole=[(15, 15), (15, 14)])
    found = regions_of([place, suspect("look-alike", [2])], rows)
    assert sorted(found) == [0, 1, 2]
    assert np.argwhere(found[0]).tolist() == [[15, 14], [15, 15]]
    assert found[2].sum() == 2 + 4 * 16
    assert found[2][8:12].all()


def test_a_thing_lies_in_another_place_in_each_photo(rows: Any) -> None:
    found = regions_of([suspect("thing", [2, 0], places=[[(1, 2)], [(3, 4), (3, 5)]])], rows)
    assert {index: np.argwhere(cells).tolist() for index, cells in found.items()} == {0: [[3, 4], [3, 5]], 2: [[1, 2]]}


def test_colours_patterns_and_what_is_not_accused_have_no_region(rows: Any) -> None:
    weak = Suspect("look-alike", "dog", 3, 3, "", difference(3, 60, 0, 60), "", True, [0, 1, 2])
    assert regions_of([suspect("colours", [0, 1, 2]), suspect("pattern", [0, 1, 2]), weak], rows) == {}


def test_the_table_is_data_to_guide_by(
    make_photos: Callable[..., Photos], masker: Masker, square: Any, tmp_path: Path, explanandum: Explanandum
) -> None:
    random = np.random.default_rng(0)
    squares = [[square(explanandum.classes[n % 3], *random.integers(0, 17, 2).tolist())] for n in range(60)]

    def tagged(pixels: np.ndarray, number: int) -> None:
        if number % 6 == 0:
            pixels[-7:-1, -7:-1] = (255, 0, 0)

    photos = make_photos(squares, tagged)
    found = audit(masker, photos, tmp_path / "out", Settings(batch_size=32), workers=0)
    table = found.folder / TABLE
    data = open_dataset(
        f"table:{table}", "all", classes=explanandum.classes, preprocessing=explanandum.preprocessing
    ).with_segmentation()
    full = open_dataset(f"table:{table}", "all", classes=explanandum.classes, preprocessing=explanandum.preprocessing)
    assert (full.labels == photos.data.labels).all()
    assert len(data) < len(full) == 60
    with table.open() as file:
        lines = list(csv.DictReader(file))
    assert {number % 3 for number, line in enumerate(lines) if line["segmentation"]} == {0}
    for number in range(0, 60, 6):
        region = np.asarray(Image.open(found.folder / lines[number]["segmentation"]))
        assert set(np.unique(region).tolist()) == {0, 1}
        # The tag is what is avoided, and the object is spared.
        assert (region[26:31, 26:31] == 1).mean() > 0.9
        own = squares[number][0]
        assert not region[own.top : own.top + 8, own.left : own.left + 8].any()


def test_what_goes_on_beside_an_accused_place_is_avoided_too(
    make_photos: Callable[..., Photos], masker: Masker, square: Any, tmp_path: Path, explanandum: Explanandum
) -> None:
    random = np.random.default_rng(0)
    squares = [[square(explanandum.classes[n % 3], *random.integers(0, 17, 2).tolist())] for n in range(60)]

    def tagged(pixels: np.ndarray, number: int) -> None:
        if number % 3 == 0:
            pixels[-6:] = 255
            pixels[-6:, -6:] = (255, 0, 0)

    photos = make_photos(squares, tagged)
    found = audit(masker, photos, tmp_path / "out", Settings(batch_size=32), workers=0)
    # The classifier sees red and nothing else: what it reads is the end of a white bar.
    (place,) = (each for each in found.suspects if each.accused and each.kind == "place")
    assert min(cell for _, cell in place.region) >= 12
    region = np.asarray(Image.open(found.folder / "avoid" / "0000000.png"))
    assert (region[-6:] == 1).all()
    assert not region[:-8].any()


def test_nothing_is_written_where_nothing_is_accused(
    make_photos: Callable[..., Photos], masker: Masker, square: Any, tmp_path: Path, explanandum: Explanandum
) -> None:
    photos = make_photos([[square(explanandum.classes[n % 3], n % 17, 3 * n % 17)] for n in range(12)])
    found = audit(masker, photos, tmp_path / "out", Settings(batch_size=32), workers=0)
    assert not (found.folder / TABLE).exists()


def test_the_last_of_many_classes(rows: Any, tmp_path: Path) -> None:
    """Photo 1 has its object, number 300, in the left half of the cells that are accused, and number 255 beside it."""
    names = [f"c{number}" for number in range(299)] + ["dog"]
    values = np.zeros((16, 16), np.uint16)
    values[:, :8], values[:, 8:12], values[:, 15:] = 300, 255, 65535
    for number in range(3):
        Image.new("RGB", (16, 16)).save(tmp_path / f"{number}.png")
        Image.fromarray(values).save(tmp_path / f"{number}-map.png")
    data = LabelledImages(
        name="many",
        classes=names,
        paths=[tmp_path / f"{number}.png" for number in range(3)],
        names=["0", "1", "2"],
        labels=torch.eye(300)[[299, 299, 299]],
        segmentations=[tmp_path / f"{number}-map.png" for number in range(3)],
        lookup=index_lookup(range(1, 301), 300),
        preprocessing=Preprocessing(16, (0.5,) * 3, (0.5,) * 3),
    )
    photos = Photos(data)
    objects = photos.objects(1, [254, 299])
    assert objects is not None
    assert [np.flatnonzero(region[0]).tolist() for region in objects.regions] == [[*range(8, 12)], [*range(8)]]
    assert np.flatnonzero(~objects.valid[0]).tolist() == [15]
    samples = [rows.slice(0, 0)] * 299 + [rows]
    write_avoid(tmp_path, photos, names, samples, [suspect("look-alike", [1])])
    found = np.asarray(Image.open(tmp_path / "avoid" / "0000001.png"))
    expected = np.zeros((16, 16))
    expected[4:8, 8:] = 300
    assert (found == expected).all()
