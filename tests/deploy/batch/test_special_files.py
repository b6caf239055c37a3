"""A pipe, a socket, a device: nothing is waited for, wherever it is named."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from explanans.cli.main import main

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX files"),
    pytest.mark.bad_input,
    pytest.mark.timeout(120),
]


@pytest.fixture
def folder(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A good picture and three that are none."""
    place = tmp_path / "photos"
    place.mkdir()
    shutil.copy(photos / "a" / "00.png", place / "good.png")
    os.mkfifo(place / "pipe.png")
    (place / "device.png").symlink_to("/dev/zero")
    # A path of more than some 100 bytes is too long for a socket.
    monkeypatch.chdir(place)
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind("socket.png")
        yield place


def in_a_table(folder: Path) -> Path:
    table = folder / "list.csv"
    table.write_text("path\n" + "".join(f"{name}.png\n" for name in ("device", "good", "pipe", "socket")))
    return table


@pytest.mark.parametrize("form", ["folders", "parquet"])
@pytest.mark.parametrize("given", [lambda folder: folder, in_a_table], ids=["folder", "table"])
def test_they_are_reported_like_pictures_that_cannot_be_read(
    saved: Path,
    folder: Path,
    tmp_path: Path,
    form: str,
    given: Callable[[Path], Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["explain", str(saved), str(given(folder)), "--out", str(tmp_path / "out"), "--format", form]
    assert main([*words, "--workers=0", "--no_receipts", "--device=cpu"]) == 1
    told = capsys.readouterr()
    assert "1 of 4 explained" in told.out
    for name in ("device", "pipe", "socket"):
        assert f"{name}.png: is no regular file" in told.err


@pytest.mark.parametrize("form", ["folders", "parquet"])
@pytest.mark.parametrize("name", ["pipe.png", "socket.png", "device.png", "pipe.csv", "pipe.zip", "pipe.parquet"])
def test_they_are_no_argument(
    saved: Path, folder: Path, tmp_path: Path, form: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (folder / name).exists():
        os.mkfifo(folder / name)
    words = ["explain", str(saved), str(folder / name), "--out", str(tmp_path / "out"), "--format", form]
    assert main([*words, "--workers=0", "--no_receipts", "--device=cpu"]) > 0
    error = capsys.readouterr().err
    assert f"{name}" in error
    assert "no regular file" in error
    assert "Traceback" not in error
