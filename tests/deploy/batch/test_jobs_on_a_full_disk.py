"""The commands, on a real file system without room: they say so and fail, and go on once there is room."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from explanans.cli.main import main


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def fill(disk: Path, free: int) -> None:
    state = os.statvfs(disk)
    (disk / "filling").write_bytes(bytes(state.f_bavail * state.f_frsize - free))


@pytest.mark.parametrize("form", ["parquet", "coco", "png", "folders"])
def test_explain_fails_where_there_is_no_room_and_goes_on_where_there_is(
    small_disk: Callable[..., Path],
    saved: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    disk = small_disk(size="2m")

    def explain(out: Path) -> int:
        words = ["explain", str(saved), str(photos / "a"), "--out", str(out), "--format", form, "--top_k", "2"]
        return main([*words, "--device", "cpu", "--shard_size", "2", "--workers", "0", "--no_receipts", "--quiet"])

    assert explain(tmp_path / "out") == 0
    whole = files(tmp_path / "out")
    pages = sum(-(-len(content) // 4096) for content in whole.values())
    # The more room, the further it comes.
    done = []
    for free in (0, pages // 3 * 4096, pages // 2 * 4096):
        fill(disk, free)
        assert explain(disk / "out") == 1
        said = capsys.readouterr().err
        assert "the disk is full" in said
        assert "Traceback" not in said
        (disk / "filling").unlink()
        there = files(disk / "out") if (disk / "out").is_dir() else {}
        assert {name: whole[name] for name in there if name != "index.json"} == {
            name: content for name, content in there.items() if name != "index.json"
        }
        done.append(len(there))
    assert done == sorted(done)
    assert explain(disk / "out") == 0
    assert files(disk / "out") == whole


def test_export_fails_where_there_is_no_room_for_a_file(
    small_disk: Callable[..., Path], saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    for room in ({"size": "2m", "nr_inodes": 1}, {"size": "40k"}):
        disk = small_disk(**room)
        assert main(["export", str(saved), "--out", str(disk / "explainer.onnx"), "--quiet"]) == 1
        assert "the disk is full" in capsys.readouterr().err
        assert list(disk.iterdir()) == []
