from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explanans.deploy.batch.manifest import Manifest, write_manifest
from explanans.errors import InputError
from explanans.images.listing import Item, list_files, list_images, list_items
from explanans.images.opening import Opener
from explanans.images.reading import ImageError, read_image


def read(item: Item) -> bytes:
    return Opener()(item, (32, 32)).tobytes()


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
    opener = Opener()
    for item, path in zip(items, good, strict=True):
        assert opener(item, (32, 32)).tobytes() == read_image(path).tobytes()
    # Back to the first, as another worker may be asked to.
    assert opener(items[0], (32, 32)).tobytes() == read_image(good[0]).tobytes()


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
            opener = Opener()
            for item, path in zip(items, good, strict=True):
                assert opener(item, (32, 32)).tobytes() == read_image(path).tobytes(), name
    finally:
        for name in ("list.csv", "paths.parquet", "bytes.parquet", "hub.parquet"):
            (photos / name).unlink()


def test_object_storage(photos: Path) -> None:
    items = list(list_items([f"file://{photos}/a"]))
    assert [item.source for item in items] == [f"file://{photos}/a/{n:02d}.png" for n in range(6)]
    assert read(items[2]) == read_image(photos / "a" / "02.png").tobytes()
    with pytest.raises(InputError, match="cannot be opened"):
        list(list_items(["nonsense://bucket/a"]))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("content", "name", "complaint"),
    [
        (b"no archive", "broken.zip", "cannot be read"),
        (b"no archive", "broken.tar", "cannot be read"),
        (b"no table", "broken.parquet", "cannot be read"),
        (b"height,width\n1,2\n", "other.csv", "columns height, width; one of image, path"),
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


def test_a_picture_says_what_its_file_is_now(photos: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(photos / "a" / "00.png", "x.png")
    (tmp_path / "list.csv").write_text("path\nabsent.png\n")
    arguments = [photos / "a" / "01.png", tmp_path / "a.zip", tmp_path / "list.csv", f"file://{photos}/b"]
    first, inside, absent, *rest = list_items(arguments)
    for item, path in ((first, photos / "a" / "01.png"), (inside, tmp_path / "a.zip"), (rest[0], photos / "b/06.png")):
        assert (item.size, item.changed) == (path.stat().st_size, path.stat().st_mtime_ns)
    assert (absent.size, absent.changed) == (-1, -1)


def test_list_images(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a.webp", "notes.txt", ".hidden.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [p.relative_to(tmp_path).as_posix() for p in list_images(tmp_path)] == ["a.webp", "b/1.png", "b/2.JPG"]
    (tmp_path / "empty").mkdir()
    for folder, reason in [("nowhere", "does not exist"), ("notes.txt", "is a file"), ("empty", r"\.jpeg.*\.webp")]:
        with pytest.raises(InputError, match=reason):
            list_images(tmp_path / folder)


def test_files_once_each_and_an_absent_one_kept(photos: Path) -> None:
    found = list_files([photos / "a" / "00.png", f"{photos}/a/*.png", photos / "b", "nowhere.jpg"])
    assert [path.name for path in found] == [f"{n:02d}.png" for n in range(11)] + ["nowhere.jpg"]


@pytest.mark.bad_input
@pytest.mark.parametrize("argument", ["", " "])
def test_an_empty_argument_is_not_the_current_folder(argument: str) -> None:
    for listed in (list_files, lambda arguments: list(list_items(arguments))):
        with pytest.raises(InputError, match="variable of the shell"):
            listed([argument])


@pytest.mark.bad_input
def test_a_pattern_that_only_folders_match(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    for listed in (list_files, lambda arguments: list(list_items(arguments))):
        with pytest.raises(InputError, match="holds no picture"):
            listed([f"{tmp_path}/o*"])


@pytest.mark.bad_input
def test_names_that_are_no_utf8(photos: Path, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    content = (photos / "a" / "00.png").read_bytes()
    name = b"caf\xe9 \x1b[31m.png"
    with open(folder + b"/" + name, "wb") as file:  # noqa: PTH123 - a name in bytes
        file.write(content)
    (item,) = list_items([tmp_path])
    assert item.source == f"{tmp_path}/caf\\xe9 \\x1b[31m.png"
    assert read(item) == read_image(content).tobytes()
    # The same after it was stored and read again.
    write_manifest(tmp_path / "manifest.parquet", [str(tmp_path)], 4)
    assert Manifest(tmp_path / "manifest.parquet").shard(0) == [item]


@pytest.mark.bad_input
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (item,) = list_items([tmp_path])
    with pytest.raises(ImageError, match="no regular file"):
        Opener()(item, (32, 32))
    with pytest.raises(InputError, match="no regular file"):
        list(list_items([tmp_path / "pipe.png"]))


def test_a_link_that_leads_to_itself(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (item,) = list_items([tmp_path])
    with pytest.raises(ImageError):
        Opener()(item, (32, 32))


@pytest.mark.parametrize("name", ["a b#c", "größe", "100%25"])
@pytest.mark.parametrize("encoded", [False, True])
def test_addresses_of_files(photos: Path, tmp_path: Path, name: str, encoded: bool) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "x.png").write_bytes((photos / "a" / "00.png").read_bytes())
    (item,) = list_items([f"file://{tmp_path}/{quote(name) if encoded else name}"])
    assert read(item) == read_image(photos / "a" / "00.png").tobytes()


def test_paths_in_tables_are_text(photos: Path, tmp_path: Path) -> None:
    for name in ("007", "true", "1.50"):
        (tmp_path / name).write_bytes((photos / "a" / "00.png").read_bytes())
    (tmp_path / "t.csv").write_text("path;note\n007;1\ntrue;2\n1.50;3\n")
    assert [Path(item.path).name for item in list_items([tmp_path / "t.csv"])] == ["007", "true", "1.50"]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.dictionary(pa.int8(), pa.binary()), None])
def test_bytes_in_any_column_type(photos: Path, tmp_path: Path, kind: pa.DataType | None) -> None:
    content = (photos / "a" / "00.png").read_bytes()
    column = pa.array([content, content], kind or pa.binary(len(content)))
    pq.write_table(pa.table({"image": column}), tmp_path / "t.parquet")
    items = list(list_items([tmp_path / "t.parquet"]))
    assert [read(item) for item in items] == [read_image(content).tobytes()] * 2


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"path": ["a.png", None]}, "row 2: None is no path"),
        ({"path": [1, 2]}, "row 1: 1 is no path"),
        ({"path": [["a.png"]]}, "is no path"),
    ],
)
def test_cells_that_are_no_paths(tmp_path: Path, table: dict, complaint: str) -> None:
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=complaint):
        list(list_items([tmp_path / "t.parquet"]))
