"""Archives that are damaged, locked or made to fill memory."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from explanans.errors import InputError
from explanans.images import archives
from explanans.images.listing import list_items
from explanans.images.opening import Opener
from explanans.images.reading import ImageError, read_image


@pytest.fixture
def content(photos: Path) -> bytes:
    return (photos / "a" / "00.png").read_bytes()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER", 2**16)
    monkeypatch.setattr(archives, "FREE", 2**17)


def tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def first(path: Path) -> bytes:
    (item,) = list_items([path])
    return Opener()(item, (32, 32)).tobytes()


@pytest.mark.bad_input
def test_a_damaged_byte_in_a_compressed_tar_is_noticed(tmp_path: Path, content: bytes) -> None:
    path = tar(tmp_path / "a.tar.gz", {"a.png": content})
    assert first(path) == read_image(content).tobytes()
    packed = bytearray(path.read_bytes())
    packed[-8] ^= 1  # of the checksum
    path.write_bytes(packed)
    with pytest.raises(InputError, match=r"a\.tar\.gz cannot be read \(BadGzipFile"):
        first(path)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        first(path)


@pytest.mark.usefixtures("small")
def test_a_tar_that_unpacks_to_much_more_than_it_is(tmp_path: Path) -> None:
    members = {f"{n}.png": bytes(2**16) for n in range(64)}
    with pytest.raises(InputError, match="unpacks to more than 50 times its size"):
        list(list_items([tar(tmp_path / "bomb.tar.gz", members)]))
    assert len(list(list_items([tar(tmp_path / "plain.tar", members, "w")]))) == 64


@pytest.mark.bad_input
@pytest.mark.usefixtures("small")
def test_a_long_name_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2**32
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(header.tobuf() + bytes(2**10)))
    with pytest.raises(InputError, match="has a part of more than"):
        list(list_items([tmp_path / "bomb.tar.gz"]))


@pytest.mark.usefixtures("small")
def test_a_member_that_is_too_large_fails_alone(tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", bytes(2**20))
        file.writestr("b.png", content)
    large, good = list_items([tmp_path / "bomb.zip"])
    opener = Opener()
    with pytest.raises(ImageError, match="unpacks to more than"):
        opener(large, (32, 32))
    assert opener(good, (32, 32)).tobytes() == read_image(content).tobytes()
    large, good = list_items([tar(tmp_path / "a.tar", {"a.png": bytes(2**17), "b.png": content}, "w")])
    with pytest.raises(ImageError, match="part of more than"):
        opener(large, (32, 32))
    assert opener(good, (32, 32)).tobytes() == read_image(content).tobytes()


def test_a_locked_and_a_strangely_packed_member(tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", content)
    whole = (tmp_path / "a.zip").read_bytes()
    central = whole.index(b"PK\x01\x02")

    def with_bytes(changes: dict[int, int]) -> Path:
        changed = bytearray(whole)
        for place, value in changes.items():
            changed[place] = value
        (tmp_path / "b.zip").write_bytes(changed)
        return tmp_path / "b.zip"

    with pytest.raises(ImageError, match="is encrypted; unpack the archive with its password"):
        first(with_bytes({6: 1, central + 8: 1}))
    with pytest.raises(ImageError, match="packed by a method that Python lacks"):
        first(with_bytes({8: 99, central + 10: 99}))
    data = 30 + len("a.png")
    with pytest.raises(ImageError, match="is damaged in the archive"):
        first(with_bytes(dict.fromkeys(range(data + 10, data + 30), 255)))
