"""What Pillow may open, and what it may not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from explanans.images.reading import ImageError, read_image


def test_a_program_is_never_started_for_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(subprocess, "check_call", lambda *words, **options: started.append(words))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "page.jpg").write_bytes(eps)
    with pytest.raises(ImageError, match=r"not a picture of a format that is read here \(BMP, GIF, JPEG"):
        read_image(tmp_path / "page.jpg")
    assert not started


@pytest.mark.parametrize("name", ["a\0b.png", "a" * 300 + ".png"])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(ImageError):
        read_image(name)
