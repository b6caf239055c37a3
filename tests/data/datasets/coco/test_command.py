"""``explanans data coco`` end to end, against a server of this process."""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from explanans.cli.main import main
from explanans.data import open_dataset
from explanans.data.download import published, transfer
from explanans.data.download.published import PUBLISHED, Archive
from explanans.images.preprocessing import Preprocessing

from ...download.server import Behaviour, serving  # noqa: TID252 - tests are no package with a name

FOLDERS = {"annotations": "annotations", "train": "train2014", "val": "val2014"}


def zipped(root: Path, folder: str, target: Path) -> bytes:
    with zipfile.ZipFile(target, "w") as file:
        for each in sorted((root / folder).iterdir()):
            if not each.name.endswith(".index"):
                file.write(each, f"{folder}/{each.name}")
    return target.read_bytes()


@pytest.fixture
def archives(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.setattr(transfer, "FIRST_PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("EXPLANANS_DATA", str(tmp_path / "root"))
    return {part: zipped(root, folder, tmp_path / f"{part}.zip") for part, folder in FOLDERS.items()}


def served(stack: ExitStack, archives: dict[str, bytes], **behaviour: Behaviour) -> dict[str, Archive]:
    found = {}
    for part, content in archives.items():
        address = stack.enter_context(serving(behaviour.get(part, Behaviour(content))))
        found[part] = replace(
            PUBLISHED["coco:2014"][part],
            url=address.replace("file.tar", PUBLISHED["coco:2014"][part].name),
            size=len(content),
            checksum=f"sha256:{hashlib.sha256(content).hexdigest()}",
        )
    return found


def test_fetched_through_a_break_listed_and_opened(
    archives: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    preprocessing: Preprocessing,
) -> None:
    broken = Behaviour(archives["train"], breaks=[1000])
    with ExitStack() as stack:
        monkeypatch.setitem(PUBLISHED, "coco:2014", served(stack, archives, train=broken))
        assert main(["data", "coco"]) == 0
    assert len(broken.requests) == 2
    assert "use it as coco:2014\n" in capsys.readouterr().out
    place = tmp_path / "root/COCO2014"
    for split in ("train", "val", "test", "test2000"):
        data = open_dataset("coco:2014", split, preprocessing=preprocessing)
        listed = (place / f"splits/{split}.txt").read_text().split()
        assert [f"{int(number):012d}" for number in listed] == [name[-12:] for name in data.names]
    # The server is gone; all is there.
    assert main(["data", "coco", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_without_a_network_every_file_is_named(
    archives: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        gone = served(stack, archives)
    monkeypatch.setitem(published.PUBLISHED, "coco:2014", gone)
    assert main(["data", "coco", str(tmp_path / "own")]) == 2
    said = capsys.readouterr().err
    for archive in gone.values():
        assert archive.url in said
        assert archive.checksum.removeprefix("sha256:") in said
        assert str(tmp_path / "own" / archive.name) in said
    assert "https://cocodataset.org/#download" in said
    for part, archive in gone.items():
        (tmp_path / "own" / archive.name).write_bytes(archives[part])
    assert main(["data", "coco", str(tmp_path / "own")]) == 0
    assert f"coco:{tmp_path}/own/COCO2014" in capsys.readouterr().out


def test_lists_of_what_lies_there(root: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    file = "annotations/instances_val2014.json"
    (tmp_path / file).write_bytes((root / file).read_bytes())
    assert main(["data", "coco", str(tmp_path), "--lists_only"]) == 0
    assert sorted(path.name for path in (tmp_path / "splits").iterdir()) == ["test.txt", "test2000.txt"]
    assert "test: 15 images" in capsys.readouterr().out
    assert main(["data", "coco", str(tmp_path / "splits"), "--lists_only"]) == 2
    assert "explanans data coco --part annotations" in capsys.readouterr().err


def test_nothing_but_the_pictures(
    archives: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        monkeypatch.setitem(PUBLISHED, "coco:2014", served(stack, archives))
        assert main(["data", "coco", "--part", "val"]) == 0
        assert "no lists" in capsys.readouterr().out
        assert main(["data", "coco", "--part", "nothing"]) == 2
        assert "has the parts annotations, train, val" in capsys.readouterr().err


def test_the_published_archives() -> None:
    """Lengths and sums of TensorFlow Datasets' record of the same files, its first and last digits."""
    sums = {part: (each.size, each.checksum[7:15], each.checksum[-8:]) for part, each in PUBLISHED["coco:2014"].items()}
    assert sums == {
        "annotations": (252872794, "031296bb", "7a3bf009"),
        "train": (13510573713, "ede4087e", "84b31775"),
        "val": (6645013297, "fe9be816", "e3b9fde0"),
    }
