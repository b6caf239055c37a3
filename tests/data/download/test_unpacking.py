from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from explanans.data.download import unpacking
from explanans.data.download.unpacking import is_unpacked, path_fault, unpack
from explanans.errors import InputError

FILES = {"kit/list.txt": b"a\nb\n", "kit/pictures/a.jpg": b"A" * 3000, "kit/pictures/b.jpg": b"", "readme": b"hello"}


def tar_entry(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.linkname, entry.mode = len(content), kind, link, 0o7777
    return entry


def make_tar(path: Path, files: dict[str, bytes], *more: tarfile.TarInfo, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        tar.addfile(tar_entry("./", kind=tarfile.DIRTYPE))
        tar.addfile(tar_entry("kit/", kind=tarfile.DIRTYPE))
        for name, content in files.items():
            tar.addfile(tar_entry(name, content), io.BytesIO(content))
        for entry in more:
            tar.addfile(entry)
    return path


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.mkdir("kit")
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and unpacking.RECEIPTS not in file.parts
    }


@pytest.mark.parametrize(
    "make",
    [
        lambda path: make_tar(path, FILES),
        lambda path: make_tar(path, FILES, mode="w:gz"),
        lambda path: make_tar(path, FILES, mode="w:bz2"),
        lambda path: make_tar(path, FILES, mode="w:xz"),
        lambda path: make_zip(path, FILES),
    ],
)
def test_every_kind_is_unpacked_once(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    archive = make(tmp_path / "archive")
    folder = tmp_path / "new/data"
    assert unpack(archive, folder) == folder
    assert contents(folder) == FILES
    assert sorted(each.name for each in folder.iterdir()) == [".unpacked", "kit", "readme"]
    assert not (folder / "readme").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)
    # Neither read again nor missed, as long as all that came out of it is there.
    archive.unlink()
    unpack(archive, folder)
    (folder / "kit/pictures/b.jpg").unlink()
    assert not is_unpacked("archive", folder)
    with pytest.raises(InputError, match="does not exist"):
        unpack(archive, folder)
    unpack(make(archive), folder)
    assert contents(folder) == FILES


def test_two_archives_into_one_tree(tmp_path: Path) -> None:
    """As VOC-2007's two, which share VOCdevkit/VOC2007 and its sub-folders."""
    unpack(make_tar(tmp_path / "one.tar", FILES), tmp_path / "data")
    second = {"kit/pictures/c.jpg": b"C", "kit/lists/test.txt": b"c\n", "readme": b"the second"}
    unpack(make_zip(tmp_path / "two.zip", second), tmp_path / "data")
    assert contents(tmp_path / "data") == {**FILES, **second}


UP = "leads upwards"
ABSOLUTE = "has an absolute path"
BAD_NAMES = [
    ("../up.txt", UP),
    ("kit/../../up.txt", UP),
    ("kit/..", UP),
    ("..\\up.txt", UP),
    ("/etc/passwd", ABSOLUTE),
    ("//server/share/file", ABSOLUTE),
    ("C:/windows", ABSOLUTE),
    ("C:file", ABSOLUTE),
    ("\\root", ABSOLUTE),
    ("kit\\file", "no proper path"),
]


@pytest.mark.parametrize(("name", "fault"), BAD_NAMES)
def test_paths_out_of_the_folder(tmp_path: Path, name: str, fault: str) -> None:
    assert fault in (path_fault(name) or "")
    for archive in (make_tar(tmp_path / "a.tar", {**FILES, name: b"x"}), make_zip(tmp_path / "a.zip", {name: b"x"})):
        with pytest.raises(InputError, match=fault) as caught:
            unpack(archive, tmp_path / "data")
        assert str(archive) in str(caught.value)
        assert repr(name) in str(caught.value)
        assert sorted(each.name for each in tmp_path.iterdir() if not each.name.startswith("a.")) == []
        archive.unlink()


@pytest.mark.bad_input
def test_folders_out_of_the_folder(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar", {}, tar_entry("../outside", kind=tarfile.DIRTYPE))
    with pytest.raises(InputError, match=UP):
        unpack(archive, tmp_path / "data")
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar"]


def test_good_names_are_no_fault() -> None:
    assert [name for name in (*FILES, "./a", "a b/ü…", "a..b/..c", ".", "kit/") if path_fault(name)] == []


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (tar_entry("out", kind=tarfile.SYMTYPE, link="/etc/passwd"), "link to something that is no file"),
        (tar_entry("kit/out", kind=tarfile.SYMTYPE, link="../../x"), "link to something that is no file"),
        (tar_entry("kit/here", kind=tarfile.SYMTYPE, link="."), "link to something that is no file"),
        (tar_entry("out", kind=tarfile.LNKTYPE, link="../x"), "link to something that is no file"),
        (tar_entry("loop", kind=tarfile.SYMTYPE, link="loop"), "link to something that is no file"),
        (tar_entry("kit/list.txt/deeper"), "is a file and a folder at once"),
        (tar_entry("."), "is a file and a folder at once"),
        (tar_entry("pipe", kind=tarfile.FIFOTYPE), "a device or a pipe"),
        (tar_entry("null", kind=tarfile.CHRTYPE), "a device or a pipe"),
        (tar_entry("disk", kind=tarfile.BLKTYPE), "a device or a pipe"),
    ],
)
def test_links_out_and_devices(tmp_path: Path, entry: tarfile.TarInfo, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        unpack(make_tar(tmp_path / "a.tar", FILES, entry), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_file_behind_a_link(tmp_path: Path) -> None:
    """The classic: a link to a folder, then a file through it."""
    link = tar_entry("kit/out", kind=tarfile.SYMTYPE, link=str(tmp_path))
    archive = make_tar(tmp_path / "a.tar", FILES, link, tar_entry("kit/out/evil.txt"))
    with pytest.raises(InputError):
        unpack(archive, tmp_path / "data")
    assert not (tmp_path / "evil.txt").exists()


def test_a_link_within_becomes_a_copy(tmp_path: Path) -> None:
    soft = tar_entry("kit/soft.txt", kind=tarfile.SYMTYPE, link="../readme")
    hard = tar_entry("kit/hard.txt", kind=tarfile.LNKTYPE, link="readme")
    unpack(make_tar(tmp_path / "a.tar", FILES, soft, hard), tmp_path / "data")
    assert contents(tmp_path / "data") == {**FILES, "kit/soft.txt": b"hello", "kit/hard.txt": b"hello"}
    assert not (tmp_path / "data/kit/soft.txt").is_symlink()
    assert is_unpacked("a.tar", tmp_path / "data")


@pytest.mark.bad_input
def test_links_and_pipes_in_a_zip(tmp_path: Path) -> None:
    for kind, fault in ((stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "a device or a pipe")):
        entry = zipfile.ZipInfo("evil")
        entry.external_attr = (kind | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
            packed.writestr(entry, "/etc/passwd")
        with pytest.raises(InputError, match=fault):
            unpack(tmp_path / "a.zip", tmp_path / "data")


@pytest.mark.bad_input
def test_damaged_archives(tmp_path: Path) -> None:
    whole = make_tar(tmp_path / "a.tgz", {**FILES, "noise": os.urandom(50_000)}, mode="w:gz").read_bytes()
    flipped = bytearray(make_zip(tmp_path / "a.zip", {"noise": os.urandom(9_000)}).read_bytes())
    flipped[4_000] ^= 1
    tar = make_tar(tmp_path / "a.tar", {"noise": os.urandom(50_000)}).read_bytes()
    for content in (b"", b"<html>log in</html>", whole[:30_000], bytes(flipped), tar[:30_000]):
        archive = tmp_path / "damaged"
        archive.write_bytes(content)
        with pytest.raises(InputError, match=r"damaged or none.*fetch it anew"):
            unpack(archive, tmp_path / "data")
        assert not is_unpacked("damaged", tmp_path / "data")
        assert contents(tmp_path / "data") == {}
        shutil.rmtree(tmp_path / "data", ignore_errors=True)


class Killed(BaseException):
    """What no handler catches."""


def test_killed_while_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, folder = make_tar(tmp_path / "a.tar", FILES), tmp_path / "data"
    copy, calls = shutil.copyfileobj, []

    def killed_at_the_third(source: io.BytesIO, target: io.BytesIO, length: int) -> None:
        calls.append(target)
        if len(calls) == 3:
            target.write(b"half of it")
            raise Killed
        copy(source, target, length)

    monkeypatch.setattr(unpacking.shutil, "copyfileobj", killed_at_the_third)
    with pytest.raises(Killed):
        unpack(archive, folder)
    assert [each.name for each in folder.iterdir() if not each.name.startswith(".")] == []
    assert not is_unpacked("a.tar", folder)
    unpack(archive, folder)
    # Two of the four files were written by the first call, and are not written again.
    assert len(calls) == 3 + 2
    assert contents(folder) == FILES


def test_killed_while_files_are_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, folder = make_tar(tmp_path / "a.tar", FILES), tmp_path / "data"
    (folder / "kit/pictures").mkdir(parents=True)
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if self.name == "a.jpg" and "whole" in str(self):
            raise Killed
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            unpack(archive, folder)
    assert not is_unpacked("a.tar", folder)
    unpack(archive, folder)
    assert contents(folder) == FILES
    assert is_unpacked("a.tar", folder)


def test_what_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/kit").write_text("a file")
    with pytest.raises(InputError, match=r"data/kit is in the way of the archive's folder"):
        unpack(make_tar(tmp_path / "a.tar", FILES), tmp_path / "data")
    (tmp_path / "data/kit").unlink()
    unpack(tmp_path / "a.tar", tmp_path / "data")
    assert contents(tmp_path / "data") == FILES


def test_a_full_disk_is_known_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(InputError, match=r"10 bytes free and the archive needs 3,009"):
        unpack(make_tar(tmp_path / "a.tar", FILES), tmp_path / "data")
