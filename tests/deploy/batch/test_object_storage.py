"""Pictures in object storage: a real S3 server on this machine, whole and with a connection that breaks."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import fs

from explanans.cli.main import main
from explanans.images.listing import list_items
from explanans.utils import object_storage

from .s3 import Proxy, address

NAMES = ("1.png", "a b.png", "deep/ü#?.png", "deep/x%20y.png", "z.png")


@pytest.fixture(scope="module")
def bucket(port: int) -> str:
    system, path = fs.FileSystem.from_uri(address("bucket", port) + "&allow_bucket_creation=true")
    system.create_dir(path)
    random = np.random.default_rng(0)
    for name in NAMES:
        content = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (40, 50, 3), np.uint8)).save(content, "PNG")
        with system.open_output_stream(f"bucket/photos/{name}") as file:
            file.write(content.getvalue())
    return "bucket/photos"


def results(folder: Path) -> dict[str, bytes]:
    """What a job made; ``job.json`` and the manifest have the address that was given."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*/*")) if path.is_file()}


def explain(saved: Path, place: str, out: Path) -> int:
    words = ["explain", str(saved), place, "--out", str(out), "--format=parquet", "--top_k=1", "--threads=1"]
    return main([*words, "--shard_size=2", "--batch_size=1", "--workers=0", "--quiet"])


def test_pictures_are_listed_without_the_secret(bucket: str, port: int) -> None:
    found = list(list_items([address(bucket, port)]))
    assert [item.source for item in found] == [f"s3://bucket/photos/{name}" for name in sorted(NAMES)]
    assert all(item.size > 0 and item.changed > 0 for item in found)


def test_pictures_of_any_name_are_explained(saved: Path, bucket: str, port: int, tmp_path: Path) -> None:
    assert explain(saved, address(bucket, port), tmp_path / "out") == 0


def test_a_connection_that_breaks_stops_the_job_and_the_next_run_ends_in_the_same_bytes(
    saved: Path,
    bucket: str,
    port: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(object_storage, "WAITS", (0.0,))
    assert explain(saved, address(bucket, port), tmp_path / "undisturbed") == 0
    proxy = Proxy(port)
    place = address(bucket, proxy.port)
    # Enough for the list and the first shard.
    proxy.left = 26_000
    assert explain(saved, place, tmp_path / "out") == 1
    assert proxy.broken
    error = capsys.readouterr().err
    assert "s3://bucket/photos/" in error
    assert "cannot be fetched" in error
    assert "repeat the command to go on" in error
    assert "Traceback" not in error
    assert "secret" not in error
    part = results(tmp_path / "out")
    assert part
    proxy.left = None
    assert explain(saved, place, tmp_path / "out") == 0
    assert results(tmp_path / "out") == results(tmp_path / "undisturbed")
    assert part.items() < results(tmp_path / "out").items()
    proxy.close()


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["photos/none", "none/photos"])
def test_what_is_not_there(
    saved: Path, bucket: str, port: int, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        explain(saved, address(f"bucket-{name}" if name.startswith("none") else f"bucket/{name}", port), tmp_path) == 2
    )
    error = capsys.readouterr().err
    assert name.split("/")[-1] in error
    assert "secret" not in error
    assert "Traceback" not in error
