"""The commands that fetch data sets, end to end against a local server."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from torchvision.datasets.voc import DATASET_YEAR_DICT

from explanans.cli.main import main
from explanans.data import open_dataset
from explanans.data.download import published, transfer
from explanans.data.download.published import PLACES, PUBLISHED, install
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

from ..datasets.miniature import VOC_COUNTS, write_cub, write_voc  # noqa: TID252 - tests are no package with a name
from .server import Behaviour, serving


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(transfer, "FIRST_PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("EXPLANANS_DATA", str(tmp_path / "root"))


def packed(folder: Path, mode: str = "w") -> bytes:
    file = folder.with_suffix(".packed")
    with tarfile.open(file, mode) as tar:  # type: ignore[call-overload]
        for each in sorted(folder.iterdir()):
            tar.add(each, each.name)
    return file.read_bytes()


@contextmanager
def published_at_home(monkeypatch: pytest.MonkeyPatch, data: str, **contents: bytes) -> Iterator[dict[str, Behaviour]]:
    """The archives of ``data`` with these contents, on servers of this process."""
    with ExitStack() as stack:
        behaviours, archives = {}, {}
        for part, content in contents.items():
            behaviours[part] = Behaviour(content)
            url = stack.enter_context(serving(behaviours[part])).replace("file.tar", PUBLISHED[data][part].name)
            archives[part] = replace(
                PUBLISHED[data][part], url=url, size=len(content), checksum=f"md5:{hashlib.md5(content).hexdigest()}"
            )
        monkeypatch.setitem(published.PUBLISHED, data, archives)
        yield behaviours


@pytest.fixture(scope="module")
def voc_archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("archives")
    write_voc(folder / "trainval", splits=("train", "val"))
    write_voc(folder / "test", splits=("test",))
    return {part: packed(folder / part) for part in ("trainval", "test")}


def test_addresses_and_checksums_are_torchvisions() -> None:
    for data, part, key in (("2007", "trainval", "2007"), ("2007", "test", "2007-test"), ("2012", "trainval", "2012")):
        archive, theirs = PUBLISHED[f"voc:{data}"][part], DATASET_YEAR_DICT[key]
        assert (archive.url, archive.name) == (theirs["url"], theirs["filename"])
        assert archive.checksum == f"md5:{theirs['md5']}"
        assert PLACES[f"voc:{data}"] == theirs["base_dir"]
    assert PUBLISHED["cub:2011"]["images"].name == "CUB_200_2011.tgz"


def test_voc_2007_by_one_command(
    voc_archives: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    preprocessing: Preprocessing,
) -> None:
    with published_at_home(monkeypatch, "voc:2007", **voc_archives) as servers:
        servers["test"].breaks = [20_000, 10_000]
        assert main(["data", "voc"]) == 0
        assert "use it as voc:2007\n" in capsys.readouterr().out
        asked = [len(server.requests) for server in servers.values()]
        assert asked == [1, 3]
        for split, count in VOC_COUNTS.items():
            assert len(open_dataset("voc:2007", split, preprocessing=preprocessing)) == count
        # Archives that were unpacked may go.
        for archive in (tmp_path / "root").glob("*.tar"):
            archive.unlink()
        assert main(["data", "voc", str(tmp_path / "root"), "--year=2007", "--quiet"]) == 0
        captured = capsys.readouterr()
        assert captured.out + captured.err == ""
        assert [len(server.requests) for server in servers.values()] == asked


def test_a_part_in_a_folder_of_its_own(
    voc_archives: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    preprocessing: Preprocessing,
) -> None:
    with published_at_home(monkeypatch, "voc:2007", **voc_archives) as servers:
        assert main(["data", "voc", str(tmp_path / "own"), "--part", "test"]) == 0
    assert servers["trainval"].requests == []
    name = capsys.readouterr().out.split("use it as ")[1].strip()
    assert name == f"voc:{tmp_path}/own/VOCdevkit/VOC2007"
    assert len(open_dataset(name, "test", preprocessing=preprocessing)) == VOC_COUNTS["test"]
    assert not (tmp_path / "root").exists()


def test_without_a_network_every_file_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], voc_archives: dict[str, bytes], tmp_path: Path
) -> None:
    with published_at_home(monkeypatch, "voc:2007", **voc_archives):
        archives = published.PUBLISHED["voc:2007"]
    # The servers are gone.
    root = tmp_path / "root"
    assert main(["data", "voc"]) == 2
    said = capsys.readouterr().err
    for archive in archives.values():
        assert f"{archive.url} (" in said
        assert archive.checksum.removeprefix("md5:") in said
        assert f"at {root / archive.name}" in said
    assert "official page: http://host.robots.ox.ac.uk/pascal/VOC/voc2007/" in said
    assert "Traceback" not in said
    # Put there by hand, the same command does the rest; one that is not the published file is not taken.
    for part, archive in archives.items():
        (root / archive.name).write_bytes(voc_archives[part])
    (root / archives["test"].name).write_bytes(voc_archives["test"][:-1] + b"!")
    assert main(["data", "voc"]) == 2
    assert f"{root / archives['test'].name} has the md5" in capsys.readouterr().err
    (root / archives["test"].name).write_bytes(voc_archives["test"])
    assert main(["data", "voc"]) == 0


def test_a_tampered_archive_with_the_right_checksum(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The member check is its own line of defence."""
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/link").symlink_to("/etc/passwd")
    with (
        published_at_home(monkeypatch, "voc:2012", trainval=packed(tmp_path / "evil")),
        pytest.raises(InputError, match="its member 'link' is a link to something that is no file of the archive"),
    ):
        install("voc:2012", tmp_path / "data", progress=False)
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["VOCtrainval_11-May-2012.tar"]


def test_cub_by_one_command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    preprocessing: Preprocessing,
) -> None:
    write_cub(tmp_path / "made")
    for part in ("CUB_200_2011", "segmentations"):
        (tmp_path / f"for_{part}").mkdir()
        (tmp_path / "made" / part).rename(tmp_path / f"for_{part}" / part)
    contents = {
        "images": packed(tmp_path / "for_CUB_200_2011", "w:gz"),
        "segmentations": packed(tmp_path / "for_segmentations", "w:gz"),
    }
    with published_at_home(monkeypatch, "cub:2011", **contents):
        assert main(["data", "cub"]) == 0
    assert "use it as cub:2011\n" in capsys.readouterr().out
    assert open_dataset("cub:2011", "train", preprocessing=preprocessing).has_segmentation


@pytest.mark.parametrize(
    ("part", "said"), [("train", "'train' is unknown; voc:2007 has the parts trainval, test"), ("", "--part is empty")]
)
def test_unknown_parts(part: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "voc", "--part", part]) == 2
    assert said in capsys.readouterr().err
