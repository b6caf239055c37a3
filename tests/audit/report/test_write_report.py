"""The pages hold what was found, lead to each other, and need nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from explanans.audit import Photos, Settings, audit
from explanans.explanations.batch import Masker


def test_pages(make_photos: Callable[..., Photos], masker: Masker, square: Any, tmp_path: Path) -> None:
    photos = make_photos([[square("red" if n % 2 else "green", 4 + n, 12)] for n in range(12)])
    (tmp_path / "photos" / "000.png").write_bytes(b"no picture")
    found = audit(masker, photos, tmp_path / "out", Settings(shard_size=5), workers=0)
    first = (tmp_path / "out" / "report.html").read_text()
    assert "Audit on photos/all" in first
    assert "2 of 3" in first
    assert "photos could not be used" in first
    links = re.findall(r'href="(classes/[^"]+)"', first)
    assert links == [f"classes/{n:04d}.html" for n in range(3)]
    pages = [(tmp_path / "out" / link).read_text() for link in links]
    assert "never sees this class" in pages[2]
    assert f"{found.ways[0][0].photos} cut-outs, 100%" in pages[0]
    assert "001.png" in pages[0]
    for page in (first, *pages):
        assert not re.findall(r'(?:src|href)="(?!data:|#|classes/|\.\./report)', page)
