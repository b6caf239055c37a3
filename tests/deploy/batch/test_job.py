from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from explanans.cli.main import main
from explanans.deploy.batch import Options, explain_shards
from explanans.deploy.batch.changes import Changes
from explanans.deploy.batch.shards import Explaining
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.utils.temporaries import temporary_file, temporary_folder

from ...programs import Programs  # noqa: TID252 - tests are no package with a name
from .jobs import files, run


def test_the_callers_random_numbers_are_left_alone(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    run(explainer, photos, tmp_path / "out")
    assert torch.equal(torch.get_rng_state(), before)


def test_no_thread_outlives_a_job(
    explainer: Explainer, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    add = Explaining.add

    def adding(self: Explaining, *args: Any) -> None:
        # Who is referred to cannot be what the garbage collection ended.
        kept.append(self)
        add(self, *args)

    monkeypatch.setattr(Explaining, "add", adding)
    before = set(threading.enumerate())
    run(explainer, photos, tmp_path / "out")
    assert kept
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_is_repeated_ends_in_the_same_bytes(
    explainer: Explainer, photos: Path, tmp_path: Path, of_the_dead: Callable[[Path], Path], workers: int
) -> None:
    options = Options(batch_size=2, top_k=2, receipts=True)
    explain_shards(explainer, [photos], tmp_path / "one", options, shard_size=4, workers=0)
    explain_shards(explainer, [photos], tmp_path / "two", options, shard_size=4, workers=workers)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    whole = files(tmp_path / "two")
    # What a kill may leave: a shard that is missing, and a temporary folder.
    for path in (tmp_path / "two" / "0000" / "0000001").iterdir():
        path.unlink()
    (tmp_path / "two" / "0000" / "0000001").rmdir()
    of_the_dead(temporary_folder(tmp_path / "two" / "0000" / "0000001"))
    seen = []
    outcome = explain_shards(
        explainer,
        [photos],
        tmp_path / "two",
        options,
        shard_size=4,
        workers=workers,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert outcome.earlier == 7
    assert seen == [(7, 11), (9, 11), (11, 11)]
    assert files(tmp_path / "two") == whole


@pytest.mark.parametrize(
    ("form", "lost"), [("parquet", "masks.parquet"), ("png", "*.png"), ("coco", "masks.part.json")]
)
@pytest.mark.parametrize("cut", [False, True])
def test_a_shard_that_lost_its_masks_is_not_done(
    explainer: Explainer, photos: Path, tmp_path: Path, form: str, lost: str, cut: bool
) -> None:
    run(explainer, photos, tmp_path / "out", format=form)
    whole = files(tmp_path / "out")
    path = sorted((tmp_path / "out" / "0000" / "0000001").rglob(lost))[0]
    if cut:
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    assert run(explainer, photos, tmp_path / "out", format=form).earlier == 7
    assert files(tmp_path / "out") == whole


@pytest.mark.bad_input
@pytest.mark.parametrize("content", [None, b"", b"no table", "old"])
def test_a_shard_with_a_damaged_table_is_not_done(
    explainer: Explainer, photos: Path, tmp_path: Path, content: bytes | str | None
) -> None:
    run(explainer, photos, tmp_path / "out")
    whole = files(tmp_path / "out")
    path = tmp_path / "out" / "0000" / "0000001" / "images.parquet"
    if content is None:
        path.unlink()
    elif content == "old":
        pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    else:
        path.write_bytes(content)
    assert run(explainer, photos, tmp_path / "out").earlier == 7
    assert files(tmp_path / "out") == whole


def test_photos_that_changed_since(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    folder, out = shutil.copytree(photos, tmp_path / "photos"), tmp_path / "out"
    told: list[Changes] = []

    def again() -> Any:
        options = Options(batch_size=2, top_k=2)
        return explain_shards(explainer, [folder], out, options, shard_size=4, workers=0, told=told.append)

    assert (again().pictures, told) == (11, [])
    before = files(out)
    # One is added, one gets another content and an older time, one is gone, and so is the broken one.
    shutil.copy(folder / "a" / "00.png", folder / "a" / "000.png")
    shutil.copy(folder / "a" / "01.png", folder / "a" / "05.png")
    os.utime(folder / "a" / "05.png", (1_000_000_000, 1_000_000_000))
    (folder / "a" / "03.png").unlink()
    (folder / "b" / "07.png").unlink()
    outcome = again()
    (changes,) = told
    names = [[Path(name).name for name in each] for each in (changes.added, changes.changed, changes.gone)]
    assert names == [["000.png"], ["05.png"], ["03.png", "07.png"]]
    # Shard 1 is made again, without the one that is gone; shard 3 is new.
    assert (outcome.pictures, outcome.earlier, outcome.failed) == (10, 6, [])
    after = files(out)
    kept = [name for name in before if name.startswith(("0000/0000000", "0000/0000002"))]
    assert all(after[name] == before[name] for name in kept)
    rows = pq.read_table(out / "0000" / "0000001" / "images.parquet").to_pylist()
    assert [(row["index"], Path(row["source"]).name) for row in rows] == [(4, "04.png"), (5, "05.png"), (6, "06.png")]
    twin = pq.read_table(out / "0000" / "0000000" / "images.parquet").to_pylist()[1]
    assert rows[1]["probabilities"] == pytest.approx(twin["probabilities"])
    assert {row["index"] for row in pq.read_table(out / "0000" / "0000001" / "masks.parquet").to_pylist()} == {4, 5, 6}
    (row,) = pq.read_table(out / "0000" / "0000003" / "images.parquet").to_pylist()
    assert (row["index"], Path(row["source"]).name) == (12, "000.png")
    # Nothing is left to do or to say.
    assert again().earlier == 10
    assert len(told) == 1
    assert files(out) == after


def test_stopped_twice_at_its_very_beginning_a_job_knows_its_folder(
    explainer: Explainer, photos: Path, tmp_path: Path, of_the_dead: Callable[[Path], Path]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".lock").touch()
    of_the_dead(temporary_file(out / "manifest.parquet"))
    of_the_dead(temporary_file(out / "manifest.parquet"))
    (out / "manifest.parquet").write_bytes(b"of a listing that was stopped before there were settings")
    of_the_dead(temporary_file(out / "job.json"))
    assert run(explainer, photos, out).pictures == 11
    run(explainer, photos, tmp_path / "other")
    assert files(out) == files(tmp_path / "other")


@pytest.mark.bad_input
def test_damaged_records_are_named(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(explainer, photos, out)
    for name in ("job.json", "manifest.parquet"):
        whole = (out / name).read_bytes()
        for content in (b"", b"{", b"PAR1", whole[:-20], b'{"settings": {"options": {"format": 1}}}'):
            (out / name).write_bytes(content)
            with pytest.raises(InputError, match=rf"{name} \(.*; put back a copy of it, or name a new folder"):
                run(explainer, photos, out)
        (out / name).write_bytes(whole)
    assert run(explainer, photos, out).earlier == 11


KILLED = """
import os, signal
from explanans.cli.main import main
from explanans.deploy.batch.job import Job
write, written = Job.write, []

def killed(*arguments):
    if len(written) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(write(*arguments))

Job.write = killed
main({arguments!r})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_killed_in_the_middle(saved: Path, photos: Path, programs: Programs, tmp_path: Path) -> None:
    arguments = [str(saved), str(photos), "--format", "parquet", "--top_k", "2", "--batch_size", "1"]
    arguments += ["--shard_size", "1", "--workers", "1", "--threads", "1", "--device", "cpu"]
    ended = programs.run(KILLED.format(arguments=["explain", *arguments, "--out", str(tmp_path / "out")]))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert len(list((tmp_path / "out").glob("0000/[0-9]*/images.parquet"))) == 3
    # Nothing is held by the dead, though their workers live on for a while. A picture that cannot be read: status 1.
    assert main(["explain", *arguments, "--out", str(tmp_path / "out"), "--quiet"]) == 1
    assert main(["explain", *arguments, "--out", str(tmp_path / "other"), "--quiet"]) == 1
    assert files(tmp_path / "out") == files(tmp_path / "other")


def test_two_runs_in_one_folder(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    def second(done: int, total: int) -> None:
        with pytest.raises(InputError, match="another process is writing into"):
            run(explainer, photos, tmp_path / "out")

    options = Options(batch_size=2, top_k=2)
    explain_shards(explainer, [photos], tmp_path / "out", options, shard_size=4, workers=0, progress=second)
    assert run(explainer, photos, tmp_path / "out").earlier == 11


def test_a_job_keeps_its_threads(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    def threads() -> int:
        return json.loads((tmp_path / "out" / "job.json").read_text())["settings"]["options"]["threads"]

    before = torch.get_num_threads()
    used = []
    options = Options(batch_size=2, top_k=2, threads=before + 1)
    explain_shards(
        explainer,
        [photos],
        tmp_path / "out",
        options,
        shard_size=4,
        workers=0,
        progress=lambda done, total: used.append(torch.get_num_threads()),
    )
    assert set(used) == {before + 1}
    assert threads() == before + 1
    assert torch.get_num_threads() == before
    # Where none are named, a job that goes on has its own.
    assert run(explainer, photos, tmp_path / "out").earlier == 11
    with pytest.raises(InputError, match=r"options\.threads"):
        run(explainer, photos, tmp_path / "out", threads=before)
    run(explainer, photos, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "job.json").read_text())["settings"]["options"]["threads"] == before


def test_other_settings_and_other_folders_are_refused(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    run(explainer, photos, tmp_path / "out")
    with pytest.raises(InputError, match=r"holds a batch job with other settings: options\.top_k was 2, is 1\."):
        run(explainer, photos, tmp_path / "out", top_k=1)
    explainer.calibrate(2, 0)
    with pytest.raises(InputError, match=r"other settings: explainer\.calibration was \[1\.0, 0\.0\], is"):
        run(explainer, photos, tmp_path / "out")
    with pytest.raises(InputError, match="holds other things"):
        run(explainer, photos, photos)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        run(explainer, photos, tmp_path / "file")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"format": "bmp"}, "format"),
        ({"size": "large"}, "size"),
        ({"mask_threshold": 0}, "mask_threshold"),
        ({"threads": 0}, "threads"),
    ],
)
def test_options_that_mean_nothing(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Options(**wrong)


def test_an_unknown_class_is_named_before_any_work(explainer: Explainer, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="horse"):
        run(explainer, photos, tmp_path / "out", classes=["horse"], top_k=None)


def test_the_form_of_a_job_is_remembered(
    saved: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["explain", str(saved), str(photos), "--out", str(tmp_path / "out"), "--device", "cpu", "--no_receipts"]
    assert main([*arguments, "--format", "coco", "--workers", "0"]) == 1
    assert "10 of 11 explained (0 earlier)" in capsys.readouterr().out
    assert main([*arguments, "--workers", "0"]) == 1
    printed = capsys.readouterr()
    assert "10 of 11 explained (11 earlier)" in printed.out
    assert "07.png" in printed.err
    settings = json.loads((tmp_path / "out" / "job.json").read_text())
    assert settings["settings"]["options"]["format"] == "coco"
