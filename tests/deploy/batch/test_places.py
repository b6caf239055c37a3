"""A job whose results go into object storage: a real S3 server on this machine, cut off and killed."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from explanans.cli.main import main
from explanans.deploy.batch.changes import Changes
from explanans.explainers.explainer import Explainer

from ...programs import Programs  # noqa: TID252 - tests are no package with a name
from .places import OPTIONS, explain, here, run, there
from .s3 import Proxy, address


@pytest.mark.parametrize(("form", "workers"), [("parquet", 1), ("coco", 0), ("png", 0)])
def test_the_same_bytes_as_in_a_folder(
    saved: Path, photos: Path, tmp_path: Path, client: Any, place: str, port: int, form: str, workers: int
) -> None:
    out = address(place, port)
    assert explain(saved, photos, tmp_path / "out", form) == 1
    assert explain(saved, photos, out, form, workers) == 1
    whole = here(tmp_path / "out")
    assert there(client, place) == whole
    # There is nothing left to do, and nothing is written.
    before = client.list_objects_v2(Bucket="results")["Contents"]
    assert explain(saved, photos, out, form) == 1
    again = client.list_objects_v2(Bucket="results")["Contents"]
    assert [each["Key"] for each in again] == [each["Key"] for each in before]
    assert there(client, place) == whole


def test_the_format_of_a_job_is_remembered(
    saved: Path, photos: Path, place: str, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", str(saved), str(photos), "--out", address(place, port), "--no_receipts", "--workers=0"]
    words += OPTIONS[:-1]
    assert main([*words, "--format", "png"]) == 1
    assert main(words) == 1
    told = capsys.readouterr()
    assert f"10 of 11 explained (11 earlier), in s3://{place}" in told.out
    assert "secret" not in told.out + told.err
    assert main([*words, "--format", "coco"]) == 2
    error = capsys.readouterr().err
    assert 'options.format was "png", is "coco"' in error
    assert f"out=s3://{place} holds a batch job with other settings" in error


@pytest.mark.parametrize("left", [9_000, 25_000])
def test_a_connection_that_breaks_stops_the_job_and_the_next_run_ends_in_the_same_bytes(
    saved: Path,
    photos: Path,
    tmp_path: Path,
    client: Any,
    place: str,
    port: int,
    left: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    proxy = Proxy(port, "requests")
    out = address(place, proxy.port)
    proxy.left = left
    assert explain(saved, photos, out, "png") == 1
    assert proxy.broken
    error = capsys.readouterr().err
    assert f"out=s3://{place} cannot be reached" in error
    assert "repeat the command to go on" in error
    assert "Traceback" not in error
    assert "secret" not in error
    part = there(client, place)
    proxy.left = None
    assert explain(saved, photos, out, "png") == 1
    assert explain(saved, photos, tmp_path / "out", "png") == 1
    whole = there(client, place)
    assert whole == here(tmp_path / "out")
    # A shard that says it is done was whole. Of one that was cut the test's server may hold the beginning of an object,
    # which a store that compares lengths would have refused.
    for shard in ("0000/0000000/", "0000/0000001/", "0000/0000002/"):
        if part.get(f"{shard}images.parquet") == whole[f"{shard}images.parquet"]:
            assert all(part.get(name) == content for name, content in whole.items() if name.startswith(shard))
    proxy.close()


KILLED = """
import os, signal
from explanans.cli.main import main
from explanans.utils.object_storage import Objects
write, written = Objects.write, []

def killed(self, name, *arguments, **more):
    if len(written) == {after}:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(name)
    write(self, name, *arguments, **more)

Objects.write = killed
main({arguments!r})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize("after", [2, 14])
def test_killed_in_the_middle(
    saved: Path, photos: Path, programs: Programs, tmp_path: Path, client: Any, place: str, port: int, after: int
) -> None:
    out = address(place, port)
    words = ["explain", str(saved), str(photos), "--out", out, "--format=png", "--workers=1", "--no_receipts", *OPTIONS]
    ended = programs.run(KILLED.format(after=after, arguments=words))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert any(name.startswith(".claim-") for name in there(client, place))
    # Nothing is held by the dead.
    assert explain(saved, photos, out, "png") == 1
    assert explain(saved, photos, tmp_path / "out", "png") == 1
    assert there(client, place) == here(tmp_path / "out")


def test_photos_that_changed_since(
    explainer: Explainer, photos: Path, tmp_path: Path, client: Any, place: str, port: int
) -> None:
    folder, told = shutil.copytree(photos, tmp_path / "photos"), list[Changes]()
    places = (address(place, port), tmp_path / "out")
    for out in places:
        run(explainer, folder, out, told=told.append)
    assert told == []
    shutil.copy(folder / "a" / "01.png", folder / "a" / "05.png")
    os.utime(folder / "a" / "05.png", (1_000_000_000, 1_000_000_000))
    (folder / "a" / "00.png").unlink()
    outcomes = [run(explainer, folder, out, told=told.append) for out in places]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].earlier == 6
    assert told[0] == told[1]
    assert [len(each) for each in (told[0].added, told[0].changed, told[0].gone)] == [0, 1, 1]
    assert there(client, place) == here(tmp_path / "out")


@pytest.mark.parametrize(
    ("lost", "content"), [("masks.parquet", b""), ("images.parquet", None), ("images.parquet", b"PAR1")]
)
def test_a_shard_that_is_not_whole_is_made_again(
    explainer: Explainer, photos: Path, client: Any, place: str, port: int, lost: str, content: bytes | None
) -> None:
    run(explainer, photos, address(place, port))
    whole = there(client, place)
    key = f"{place.partition('/')[2]}/0000/0000001/{lost}"
    if content is None:
        client.delete_object(Bucket="results", Key=key)
    else:
        client.put_object(Bucket="results", Key=key, Body=content)
    client.put_object(Bucket="results", Key=key.replace(lost, "masks/0000/left.png"), Body=b"of an earlier run")
    assert run(explainer, photos, address(place, port)).earlier == 7
    assert there(client, place) == whole


def test_a_folder_may_be_named_by_its_address(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    run(explainer, photos, (tmp_path / "a b").as_uri())
    assert (tmp_path / "a b" / "job.json").is_file()
