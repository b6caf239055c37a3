from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from explanans.deploy.batch import manifest as module
from explanans.deploy.batch.changes import Changes
from explanans.deploy.batch.manifest import Manifest, renew_manifest, write_manifest
from explanans.errors import InputError
from explanans.images.listing import Item, list_items


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    """Eleven photos that may be changed."""
    return shutil.copytree(photos, tmp_path / "photos")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "manifest.parquet"


def shards(path: Path) -> list[list[str]]:
    manifest = Manifest(path)
    return [[Path(item.source).name for item in manifest.shard(number)] for number in range(manifest.shards)]


def replace_by(photo: Path, other: Path) -> None:
    """Another content at an older time."""
    shutil.copy(other, photo)
    os.utime(photo, (1_000_000_000, 1_000_000_000))


def test_a_shard_is_read_at_a_time(folder: Path, path: Path) -> None:
    write_manifest(path, [str(folder)], 4)
    manifest = Manifest(path)
    assert (manifest.pictures, manifest.shards) == (11, 3)
    assert [manifest.size(shard) for shard in range(3)] == [4, 4, 3]
    assert [item for shard in range(3) for item in manifest.shard(shard)] == list(list_items([folder]))
    (item,) = manifest.shard(0)[:1]
    state = (folder / "a" / "00.png").stat()
    assert (item.size, item.changed) == (state.st_size, state.st_mtime_ns)
    assert manifest.stamps(0).to_pylist()[0] == {"source": item.source, "size": item.size, "changed": item.changed}


def test_nothing_to_list(path: Path) -> None:
    with pytest.raises(InputError, match="images: there are none"):
        write_manifest(path, [], 4)
    assert not path.exists()


def test_the_same_list_is_left_as_it_is(folder: Path, path: Path) -> None:
    write_manifest(path, [str(folder), str(folder)], 4)
    before = path.read_bytes(), path.stat().st_ino
    assert renew_manifest(path, [str(folder), str(folder)], 4) == Changes()
    assert (path.read_bytes(), path.stat().st_ino) == before


def test_what_is_there_stays_in_its_shard_and_what_was_added_comes_last(folder: Path, path: Path) -> None:
    write_manifest(path, [str(folder)], 4)
    whole = shards(path)
    shutil.copy(folder / "a" / "00.png", folder / "a" / "000.png")
    replace_by(folder / "b" / "08.png", folder / "a" / "01.png")
    (folder / "a" / "02.png").unlink()
    changes = renew_manifest(path, [str(folder)], 4)
    names = [[Path(name).name for name in each] for each in (changes.added, changes.changed, changes.gone)]
    assert names == [["000.png"], ["08.png"], ["02.png"]]
    assert shards(path) == [["00.png", "01.png", "03.png"], *whole[1:], ["000.png"]]
    manifest = Manifest(path)
    assert (manifest.pictures, [manifest.size(number) for number in range(4)]) == (11, [3, 4, 3, 1])
    assert [row["gone"] for row in manifest.rows(0)] == [False, False, True, False]
    assert renew_manifest(path, [str(folder)], 4) == Changes()
    # It comes back into its place, and one that was added may go.
    shutil.copy(folder / "a" / "00.png", folder / "a" / "02.png")
    (folder / "a" / "000.png").unlink()
    again = renew_manifest(path, [str(folder)], 4)
    assert [Path(name).name for name in (*again.added, "|", *again.changed, "|", *again.gone)] == [
        *("02.png", "|", "|", "000.png")
    ]
    assert shards(path) == [*whole, []]
    assert Manifest(path).pictures == 11


def test_a_photo_that_is_listed_twice_is_two(folder: Path, path: Path) -> None:
    arguments = [str(folder / "a"), str(folder / "a")]
    write_manifest(path, arguments, 100)
    (folder / "a" / "00.png").unlink()
    changes = renew_manifest(path, arguments, 100)
    assert [Path(name).name for name in changes.gone] == ["00.png", "00.png"]
    assert Manifest(path).pictures == 10


def test_an_archive_that_was_not_touched_is_not_listed_again(
    folder: Path, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(folder / "a" / "00.png", "x.png")
    write_manifest(path, [str(archive), str(folder)], 4)
    asked: list[str] = []

    def noted(arguments: list[str]) -> object:
        asked.extend(arguments)
        return list_items(arguments)

    monkeypatch.setattr(module, "list_items", noted)
    assert renew_manifest(path, [str(archive), str(folder)], 4) == Changes()
    assert asked == [str(folder)]
    with zipfile.ZipFile(archive, "a") as file:
        file.write(folder / "a" / "01.png", "y.png")
    changes = renew_manifest(path, [str(archive), str(folder)], 4)
    # What is in an archive that was changed may have been changed too.
    assert changes.changed == (f"{archive}!x.png",)
    assert changes.added == (f"{archive}!y.png",)


def test_a_manifest_without_what_was_listed(folder: Path, path: Path) -> None:
    write_manifest(path, [str(folder)], 4)
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(path), path)
    for use in (lambda: renew_manifest(path, [str(folder)], 4), lambda: Manifest(path)):
        with pytest.raises(InputError, match=r"manifest\.parquet \(list of a job's pictures\) is damaged"):
            use()


def test_items_are_the_same_whatever_their_file(tmp_path: Path) -> None:
    assert Item("a", "a", size=1, changed=2) == Item("a", "a")
