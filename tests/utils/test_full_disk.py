"""Real file systems without room: what a writer makes of them, whoever writes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from explanans.training.runs import AtomicCheckpoints
from explanans.utils.files import DiskError, atomic_file, atomic_folder
from explanans.utils.records import Kind, write_json
from explanans.utils.run_folder import claimed

KIND = Kind("test run", "do something")
NUMBERS = np.random.default_rng(0).integers(0, 256, (1500, 1500), np.uint8)


def text(path: Path) -> None:
    path.write_text("x" * 3_000_000)


def savez(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=NUMBERS)


WRITERS: dict[str, Callable[[Path], object]] = {
    "text": text,
    "npz": savez,
    "png": lambda path: Image.fromarray(NUMBERS).save(path, "PNG"),
    "parquet": lambda path: pq.write_table(pa.table({"a": NUMBERS.flatten()}), path, use_dictionary=False),
    "safetensors": lambda path: save_file({"a": torch.from_numpy(NUMBERS)}, path),
}


@pytest.fixture
def disk(small_disk: Callable[..., Path]) -> Path:
    return small_disk(size="2m")


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_file_that_does_not_fit(disk: Path, writer: Callable[[Path], object]) -> None:
    (disk / "result").write_text("old")
    with (
        pytest.raises(DiskError, match=r"cannot write .*/result: the disk is full .* make room and repeat") as raised,
        atomic_file(disk / "result") as temporary,
    ):
        writer(temporary)
    assert raised.value.errno == errno.ENOSPC
    assert (disk / "result").read_text() == "old"
    assert [path.name for path in disk.iterdir()] == ["result"]
    # With room again the same is written.
    with atomic_file(disk / "result") as temporary:
        temporary.write_text("new")
    assert (disk / "result").read_text() == "new"


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_folder_that_does_not_fit(disk: Path, writer: Callable[[Path], object]) -> None:
    with atomic_folder(disk / "result") as temporary:
        (temporary / "mark").write_text("old")
    with (
        pytest.raises(DiskError, match="the disk is full"),
        atomic_folder(disk / "result", replace_if_holds="mark") as temporary,
    ):
        writer(temporary / "mark")
    assert (disk / "result" / "mark").read_text() == "old"
    assert [path.name for path in disk.iterdir()] == ["result"]


def test_a_checkpoint_that_does_not_fit(disk: Path) -> None:
    path = disk / "last.ckpt"
    AtomicCheckpoints().save_checkpoint({"epoch": 1}, path)
    with pytest.raises(DiskError, match=r"cannot write .*last\.ckpt"):
        AtomicCheckpoints().save_checkpoint({"epoch": 2, "weights": torch.from_numpy(NUMBERS)}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [file.name for file in disk.iterdir()] == ["last.ckpt"]


def test_a_disk_without_room_for_more_files(small_disk: Callable[..., Path]) -> None:
    # The root of a file system is one of its files.
    disk = small_disk(size="2m", nr_inodes=2)
    (disk / "old").write_text("old")
    with pytest.raises(DiskError, match="no room for more files"):
        write_json(disk / "record.json", KIND, {})
    with pytest.raises(DiskError, match="no room for more files"), atomic_folder(disk / "folder"):
        pytest.fail("the block must not run")
    with pytest.raises(DiskError, match="no room for more files"), claimed(disk / "run" / "record.json", KIND):
        pytest.fail("the block must not run")
    assert [path.name for path in disk.iterdir()] == ["old"]


def test_a_disk_that_may_only_be_read(small_disk: Callable[..., Path]) -> None:
    disk = small_disk(size="2m,ro")
    for attempt in (lambda: write_json(disk / "record.json", KIND, {}), lambda: claim(disk / "run")):
        with pytest.raises(DiskError, match="mounted read-only; name another folder and repeat"):
            attempt()


def claim(folder: Path) -> None:
    with claimed(folder / "record.json", KIND):
        pytest.fail("the block must not run")


@pytest.mark.parametrize("error", [OSError(errno.EDQUOT, "quota"), PermissionError(errno.EACCES, "no")])
def test_quota_and_permission(tmp_path: Path, error: OSError) -> None:
    with pytest.raises(DiskError, match=r"quota is used up|permission denied"), atomic_file(tmp_path / "result"):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_error_about_something_else_is_left_alone(tmp_path: Path) -> None:
    elsewhere = os.fspath(tmp_path.parent / "elsewhere" / "source.png")
    (tmp_path / "out").mkdir()
    with (
        pytest.raises(PermissionError, match=r"source\.png") as raised,
        atomic_file(tmp_path / "out" / "result"),
    ):
        raise PermissionError(errno.EACCES, "no", elsewhere)
    assert not isinstance(raised.value, DiskError)
    with pytest.raises(RuntimeError, match="odd"), atomic_file(tmp_path / "out" / "result"):
        raise RuntimeError("odd")
