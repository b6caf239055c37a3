from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explanans.deploy.batch.loading import Reader
from explanans.deploy.batch.manifest import Manifest, write_manifest
from explanans.errors import InputError
from explanans.images.listing import Item, list_items
from explanans.images.reading import read_image


def read(item: Item) -> bytes:
    return Reader()(item, (32, 32)).tobytes()


@pytest.fixture
def good(photos: Path) -> list[Path]:
    return [path for path in sorted(photos.rglob("*.png")) if path.name != "07.png"]


def test_folders_files_and_patterns(photos: Path) -> None:
    items = list(list_items([photos, photos / "a" / "00.png", f"{photos}/b/*.png"]))
    names = [Path(item.path).name for item in items]
    assert names == [f"{n:02d}.png" for n in range(11)] + ["00.png"] + [f"{n:02d}.png" for n in range(6, 11)]
    assert all(item.source == item.path for item in items)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_archives_hold_the_same_pictures(photos: Path, good: list[Path], tmp_path: Path, suffix: str) -> None:
    archive = tmp_path / f"photos{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            for path in good:
                file.write(path, path.relative_to(photos))
            file.writestr("notes.txt", "no picture")
            file.writestr("a/.hidden.png", "no picture")
    else:
        with tarfile.open(archive, "w" if suffix == ".tar" else "w:gz") as file:
            for path in good:
                file.add(path, str(path.relative_to(photos)))
    items = list(list_items([archive]))
    assert [item.source for item in items] == [f"{archive}!{path.relative_to(photos)}" for path in good]
    reader = Reader()
    for item, path in zip(items, good, strict=True):
        assert reader(item, (32, 32)).tobytes() == read_image(path).tobytes()
    # Back to the first, as another worker may be asked to.
    assert reader(items[0], (32, 32)).tobytes() == read_image(good[0]).tobytes()


def test_tables_of_paths_and_of_bytes(photos: Path, good: list[Path]) -> None:
    names = [str(path.relative_to(photos)) for path in good]
    (photos / "list.csv").write_text("path,labels\n" + "\n".join(f"{name},cat" for name in names))
    pq.write_table(pa.table({"image": names}), photos / "paths.parquet")
    contents = [path.read_bytes() for path in good]
    pq.write_table(pa.table({"bytes": contents}), photos / "bytes.parquet", row_group_size=4)
    pq.write_table(pa.table({"image": [{"bytes": each, "path": "x"} for each in contents]}), photos / "hub.parquet")
    try:
        for name in ("list.csv", "paths.parquet", "bytes.parquet", "hub.parquet"):
            items = list(list_items([photos / name]))
            assert len(items) == len(good), name
            reader = Reader()
            for item, path in zip(items, good, strict=True):
                assert reader(item, (32, 32)).tobytes() == read_image(path).tobytes(), name
    finally:
        for name in ("list.csv", "paths.parquet", "bytes.parquet", "hub.parquet"):
            (photos / name).unlink()


def test_object_storage(photos: Path) -> None:
    items = list(list_items([f"file://{photos}/a"]))
    assert [item.source for item in items] == [f"file://{photos}/a/{n:02d}.png" for n in range(6)]
    assert read(items[2]) == read_image(photos / "a" / "02.png").tobytes()
    with pytest.raises(InputError, match="cannot be opened"):
        list(list_items(["nonsense://bucket/a"]))


@pytest.mark.parametrize(
    ("content", "name", "complaint"),
    [
        (b"no archive", "broken.zip", "cannot be read"),
        (b"no archive", "broken.tar", "cannot be read"),
        (b"no table", "broken.parquet", "cannot be read"),
        (b"height,width\n1,2\n", "other.csv", r"columns \['height', 'width'\]"),
    ],
)
def test_what_holds_no_pictures(tmp_path: Path, content: bytes, name: str, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        list(list_items([tmp_path / name]))
    with pytest.raises(InputError, match="does not exist"):
        list(list_items([tmp_path / "absent.jpg"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no picture"):
        list(list_items([tmp_path / "empty"]))


def test_a_manifest_is_read_a_shard_at_a_time(photos: Path, tmp_path: Path) -> None:
    items = list(list_items([photos]))
    write_manifest(tmp_path / "manifest.parquet", iter(items), 4)
    manifest = Manifest(tmp_path / "manifest.parquet")
    assert (manifest.pictures, manifest.shards, manifest.shard_size) == (11, 3, 4)
    assert [manifest.size(shard) for shard in range(3)] == [4, 4, 3]
    assert [item for shard in range(3) for item in manifest.shard(shard)] == items
