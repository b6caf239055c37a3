from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from explanans.ops.registration import Shift
from explanans.pipelines.growth_page import series_page, write_pages
from explanans.pipelines.series import CUTS, MEASURES, Photo, Series


@pytest.fixture
def wall(tmp_path: Path) -> Callable[..., Series]:
    """A series of photos, each of which differs from an ordinary one in what is given."""

    def make(*different: dict[str, object], place: str = "wall", mm_per_pixel: float | None = None) -> Series:
        photos = []
        for time, fields in enumerate(different):
            path = tmp_path / f"{time}.png"
            Image.new("RGB", (40, 30), "grey").save(path)
            measures = tuple(dict.fromkeys(MEASURES, float(time + 1)) for _ in CUTS)
            usual = Photo(path, float(time), str(time), Shift(), (), measures, 0.9, "holds", True)
            photos.append(dataclasses.replace(usual, **fields))
        return Series(place, "crack", tuple(photos), (0, 30, 0, 40), mm_per_pixel, 0.5)

    return make


NOTHING = {"measures": tuple(dict.fromkeys(MEASURES, 0.0) for _ in CUTS), "explained": False, "probability": 0.2}


def test_an_ordinary_series_warns_of_nothing(wall: Callable[..., Series]) -> None:
    page = series_page(wall({}, {}))
    assert 'class="warning"' not in page
    for said in ("1 → 2", "in pixels", "per unit of time", "1 region, 1 px²", "receipt holds", "+1 (+100 %)"):
        assert said in page


def test_with_a_scale_sizes_are_in_millimetres(wall: Callable[..., Series]) -> None:
    page = series_page(wall({}, {}, mm_per_pixel=0.5))
    assert "0.5 mm for each pixel" in page
    assert "0.5 → 1.0</strong><span>longest region, mm" in page
    assert "px²" not in page


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (NOTHING, "Not seen by the classifier, and 0 for that reason: 1 (probability 0.20)."),
        ({"shift": Shift(1, 2, 0.1)}, "Hardly like the first photo, so that growth says little: 1."),
        ({"word": "weak"}, "Masks that do not hold, by their receipts: 1 (weak)."),
    ],
)
def test_what_a_reader_must_know_comes_first(wall: Callable[..., Series], last: dict[str, object], says: str) -> None:
    page = series_page(wall({}, last))
    assert page.count('class="warning"') == 1
    assert says in page
    assert page.index(says) < page.index("<h2>")


def test_a_place_with_nothing_says_so(wall: Callable[..., Series]) -> None:
    page = series_page(wall(NOTHING, NOTHING))
    assert "No photo shows crack to the classifier" in page
    assert "absent" in page
    assert "not seen (probability 0.20" in page


def test_without_receipts_none_is_named(wall: Callable[..., Series]) -> None:
    page = series_page(wall({"word": None}, {"word": None}))
    assert 'class="warning"' not in page
    assert "receipt holds" not in page


def test_places_whose_names_differ_in_signs_have_pages_of_their_own(
    wall: Callable[..., Series], tmp_path: Path
) -> None:
    places = ["A/1", "A 1", "Brücke", "長" * 200]
    paths = write_pages([wall({}, {}, place=place) for place in places], tmp_path)
    assert len(set(paths)) == 4
    for place, path in zip(places, paths, strict=True):
        assert f"<h1>{place}: crack</h1>" in path.read_text(encoding="utf-8")
        assert len(path.name.encode()) < 256
