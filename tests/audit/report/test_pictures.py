"""Where a suspicion lies in its photos, as the report shows it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explanans.audit import Photos, Settings, audit
from explanans.audit.intervals import difference
from explanans.audit.report.index_page import suspect_card
from explanans.audit.report.pictures import Pictures
from explanans.audit.suspects import Suspect
from explanans.explanations.batch import Masker


@pytest.fixture
def pictures(make_photos: Callable[..., Photos], masker: Masker, square: Any, tmp_path: Path) -> Pictures:
    """Of twelve photos that are yellow all over, but for a red or a green square."""

    def yellow(pixels: np.ndarray, number: int) -> None:
        pixels[(pixels.max(2) - pixels.min(2)) == 0] = (200, 160, 0)

    photos = make_photos([[square("red" if n % 2 else "green", 4 + n, 12)] for n in range(12)], yellow)
    audit(masker, photos, tmp_path / "out", Settings(batch_size=32), workers=0)
    return Pictures(tmp_path / "out", photos)


def coloured(page: str) -> list[np.ndarray]:
    """Of each picture of a page where it has colours, by quarters of its side: (4, 4) bool."""
    found = []
    for data in re.findall(r"data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)", page):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)
        grey = (pixels.max(2) - pixels.min(2)) < 40
        side = len(grey) // 4
        found.append(~grey[: 4 * side, : 4 * side].reshape(4, side, 4, side)[:, 8:-8, :, 8:-8].all((1, 3)))
    return found


def suspect(kind: str, **changes: Any) -> Suspect:
    effect = difference(60, 60, 0, 60)
    return Suspect(kind, "red", 2, 6, "", effect, "", True, [1, 3], **changes)  # type: ignore[arg-type]


def quarter(row: int, column: int) -> list[tuple[int, int]]:
    return [(4 * row + down, 4 * column + right) for down in range(4) for right in range(4)]


def test_a_place_is_shown_in_colours_and_the_rest_in_grey(pictures: Pictures) -> None:
    shown = coloured(suspect_card(1, suspect("place", whole=quarter(3, 3)), 0, pictures))
    assert [np.argwhere(quarters).tolist() for quarters in shown] == [[[3, 3]], [[3, 3]]]


def test_a_thing_is_shown_where_it_lies_in_each_photo(pictures: Pictures) -> None:
    places = [quarter(0, 1), quarter(3, 0)]
    shown = coloured(suspect_card(1, suspect("thing", places=places), 0, pictures))
    assert [np.argwhere(quarters).tolist() for quarters in shown] == [[[0, 1]], [[3, 0]]]


def test_a_pattern_is_all_over_the_photo(pictures: Pictures) -> None:
    assert all(quarters.all() for quarters in coloured(suspect_card(1, suspect("pattern"), 0, pictures)))
