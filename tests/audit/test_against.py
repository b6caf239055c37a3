from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from explanans.audit import Photos, Settings, audit
from explanans.audit.against import audit_against, overlap
from explanans.audit.report.against_page import write_against
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explanations.batch import Masker
from explanans.explanations.by_method import ByMethod

from .conftest import CLASSES, ColourMaps, Colours

FEW = Settings(shard_size=4, batch_size=2)


def other_masker(explanandum: Explanandum, blind: int | None, classes: tuple[str, ...] = CLASSES) -> Masker:
    """The same classifier, but that it never sees one of the classes."""
    module = Colours()
    if blind is not None:
        module.mix.weight.data[blind] = 0
    made = Explanandum(module, classes=classes, activation="sigmoid", preprocessing=explanandum.preprocessing)
    return ByMethod(made, ColourMaps(module))  # type: ignore[arg-type]


@pytest.fixture
def photos(make_photos: Callable[..., Photos], square: Any) -> Photos:
    return make_photos([[square("red" if n % 2 else "green", 4 + n, 12)] for n in range(10)])


def test_what_got_worse(photos: Photos, masker: Masker, explanandum: Explanandum, tmp_path: Path) -> None:
    found = audit(masker, photos, tmp_path / "out", FEW, workers=0)
    red, green, blue = audit_against(found, other_masker(explanandum, 1), photos, FEW, workers=0)
    assert (red.changes, red.overlap) == ({"same": 5}, 1)
    assert (green.changes, green.overlap, green.worse) == ({"worse": 5}, None, [0, 2, 4, 6, 8])
    assert green.gain is not None
    assert green.gain.value == -1
    assert green.gain.high < 0
    assert (blue.changes, blue.overlap) == ({}, None)
    rows = pq.read_table(tmp_path / "out" / "against.parquet").to_pylist()
    assert [row["change"] for row in rows] == ["worse", "same"] * 5
    assert (rows[0]["seen"], rows[0]["seen_other"]) == (True, False)
    page = write_against(tmp_path / "out", photos, photos, [red, green, blue], ("one", "other")).read_text()
    assert "one and other" in page
    assert "not seen" in page


def test_an_other_place(photos: Photos, masker: Masker, explanandum: Explanandum, tmp_path: Path) -> None:
    """Masks that lie elsewhere for the same answers."""

    class Elsewhere(ColourMaps):
        def __call__(self, images: torch.Tensor, targets: torch.Tensor, generator: Any = None) -> torch.Tensor:
            return super().__call__(images, targets).roll(16, 2)

    found = audit(masker, photos, tmp_path / "out", FEW, workers=0)
    moved = ByMethod(explanandum, Elsewhere(explanandum.module))  # type: ignore[arg-type]
    red = audit_against(found, moved, photos, FEW, workers=0)[0]
    assert red.overlap is not None
    assert red.overlap < 0.2
    assert sorted(red.differently) == [1, 3, 5, 7, 9]


def test_overlap_by_hand() -> None:
    assert overlap(np.array([1.0, 0.5, 0]), np.array([0.5, 0.5, 1])) == pytest.approx(1 / 2.5)
    assert overlap(np.zeros(2), np.zeros(2)) == 1


@pytest.mark.bad_input
def test_other_classes_are_refused(photos: Photos, masker: Masker, explanandum: Explanandum, tmp_path: Path) -> None:
    found = audit(masker, photos, tmp_path / "out", FEW, workers=0)
    with pytest.raises(InputError, match="two are compared on the same classes"):
        audit_against(found, other_masker(explanandum, None, ("a", "b", "c")), photos, FEW, workers=0)
