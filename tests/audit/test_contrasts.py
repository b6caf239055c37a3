"""Red squares beside which a part of the photo is blue: what tells the two apart is known exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from explanans.audit import Photos, Settings, audit
from explanans.audit.contrasts import Between
from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.batch import Masker

FEW = Settings(shard_size=4, batch_size=2)


@pytest.fixture
def photos(make_photos: Callable[..., Photos], square: Any) -> Photos:
    """Six dull red squares on the left, and in the first four something blue on the right that has no label."""

    def draw(pixels: NDArray[np.uint8], number: int) -> None:
        pixels[4:12, 4:12] = (230, 20, 20)
        if number < 4:
            pixels[20:28, 20:28] = (0, 0, 255)

    return make_photos([[square("red", 4, 4)]] * 6, draw)


def test_logits_of_a_pair(explanandum: Explanandum) -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    logits = explanandum(images)
    expected = torch.stack([logits[:, 2] - logits[:, 0], logits[:, 0] - logits[:, 2]], 1)
    torch.testing.assert_close(Between(explanandum, 2, 0)(images), expected)


def test_each_mask_lies_on_its_own_class(photos: Photos, masker: Masker, tmp_path: Path) -> None:
    (found,) = audit(masker, photos, tmp_path / "out", FEW, workers=0).confused
    assert (found.confusion.label, found.confusion.seen) == ("red", "blue")
    assert (found.confusion.photos, found.confusion.missed, found.confusion.of) == (4, 0, 6)
    assert sorted(found.indices) == [0, 1, 2, 3]
    assert found.seen_over_label.shape == (4, 32, 32)
    for seen, label in zip(found.seen_over_label, found.label_over_seen, strict=True):
        assert seen[22:26, 22:26].all()
        assert not seen[4:12, 4:12].any()
        assert label[6:10, 6:10].all()
        assert not label[20:28, 20:28].any()
    # Without the blue the red has more; every photo has it at the same place, so that another's mask does the same.
    assert (found.effect.hits, found.effect.tried, found.effect.control_hits) == (4, 4, 4)
    written = json.loads((tmp_path / "out" / "findings.json").read_text())["confused"]
    assert (written[0]["seen"], written[0]["effect"]["hits"]) == ("blue", 4)
    page = (tmp_path / "out" / "confused.html").read_text()
    assert "blue, not red" in page
    assert "red, not blue" in page
    assert page.count("<figure>") == 8
    assert 'href="confused.html"' in (tmp_path / "out" / "report.html").read_text()


def test_nothing_confused(make_photos: Callable[..., Photos], square: Any, masker: Masker, tmp_path: Path) -> None:
    found = audit(masker, make_photos([[square("red", 4, 4)]] * 3), tmp_path / "out", FEW, workers=0)
    assert found.confused == []
    assert not (tmp_path / "out" / "confused.html").exists()
