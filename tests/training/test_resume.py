"""A run that ended early, was killed, or is asked for again."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.training import Optimizer
from explanans.training.claim import CONFIG, RECORD
from explanans.training.explainer_training import ExplainerTraining
from explanans.utils.locks import LOCK
from explanans.utils.run_folder import claimed
from explanans.utils.temporaries import temporary_file

from ..programs import Programs  # noqa: TID252 - tests are no package with a name
from .explainer_runs import MOVED, OPTIMIZER, RUN, Build, assert_identical, rows, state, train, with_run


@pytest.mark.parametrize("fail_at", [(1, 0), (2, 1)], ids=["between epochs", "within an epoch"])
def test_a_run_that_is_interrupted_resumes_bit_identically(
    scenes: str,
    explainer: Build,
    out: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    fail_at: tuple[int, int],
) -> None:
    step = ExplainerTraining.training_step

    def interrupted(self: ExplainerTraining, batch: Any, index: int) -> Tensor:
        if (self.current_epoch, index) == fail_at:
            raise KeyboardInterrupt
        return step(self, batch, index)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(ExplainerTraining, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(explainer(), scenes, out)
    assert signal.getsignal(signal.SIGINT) is handler, "the next Ctrl-C must work too"
    assert state(out / "last.ckpt")["epoch"] == fail_at[0] - 1
    assert not (out / "explainer").exists()
    resumed = explainer()
    train(resumed, scenes, out)
    finished = state(out / "last.ckpt")
    expected = state(whole / "last.ckpt")
    assert_identical(finished["state_dict"], expected["state_dict"])
    for mine, theirs in zip(finished["optimizer_states"], expected["optimizer_states"], strict=True):
        for key, moments in mine["state"].items():
            assert torch.equal(moments["exp_avg"], theirs["state"][key]["exp_avg"])
    assert_identical(state(out / "best.ckpt")["state_dict"], state(whole / "best.ckpt")["state_dict"])
    assert rows(out) == rows(whole)
    # Whatever Lightning remembers beside the weights, but where it lies.
    assert str(finished["callbacks"]).replace(str(out), "") == str(expected["callbacks"]).replace(str(whole), "")


def test_loader_workers_go_on_where_they_were(
    scenes: str, explainer: Build, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"augment": "crop", "run": with_run(max_epochs=2, num_workers=1)}
    train(explainer(), scenes, out, **changes)
    step = ExplainerTraining.training_step

    def interrupted(self: ExplainerTraining, batch: Any, index: int) -> Tensor:
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(ExplainerTraining, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(explainer(), scenes, tmp_path / "again", **changes)
    # With another number of them, which changes nothing.
    changes["run"] = with_run(max_epochs=2, num_workers=2)
    train(explainer(), scenes, tmp_path / "again", **changes)
    assert_identical(state(tmp_path / "again" / "last.ckpt")["state_dict"], state(out / "last.ckpt")["state_dict"])


KILLED = """
import os, pickle, signal, sys
from explanans.training.explainer_training import ExplainerTraining
from explanans.training.fit_explainer import fit
step = ExplainerTraining.training_step

def killed(self, batch, index):
    if (self.current_epoch, index) == (1, 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, index)

ExplainerTraining.training_step = killed
sys.path.insert(0, {tests!r})
from conftest import PREPROCESSING, Living
import torch
from explanans import Explainer, Explanandum, Optimizer, Run
torch.manual_seed(0)
classes = {classes!r}
classifier = Living(len(classes))
explained = Explanandum(classifier, classes=classes, activation="sigmoid", preprocessing=PREPROCESSING)
explainer = Explainer(explained, "compact")
fit(explainer, {scenes!r}, objective="stalder2022", optimizer={optimizer!r}, run={run!r}, out={out!r})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_run_that_is_killed_resumes_bit_identically(
    scenes: str, explainer: Build, classes: tuple[str, ...], out: Path, whole: Path, programs: Programs
) -> None:
    script = KILLED.format(
        tests=str(Path(__file__).parent),
        classes=classes,
        scenes=scenes,
        optimizer=OPTIMIZER,
        run=RUN,
        out=str(out),
    )
    ended = programs.run(script)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert state(out / "last.ckpt")["epoch"] == 0
    train(explainer(), scenes, out)
    assert_identical(state(out / "last.ckpt")["state_dict"], state(whole / "last.ckpt")["state_dict"])
    assert rows(out) == rows(whole)


def test_a_finished_run_is_not_trained_again(scenes: str, explainer: Build, whole: Path) -> None:
    before = state(whole / "last.ckpt")
    again = explainer()
    train(again, scenes, whole)
    assert_identical(state(whole / "last.ckpt")["state_dict"], before["state_dict"])
    saved = Explainer.from_pretrained(whole / "explainer", explanandum=explainer().explanandum)
    assert_identical(again.network.state_dict(), saved.network.state_dict())


def test_more_epochs_go_on_from_the_last(scenes: str, explainer: Build, out: Path) -> None:
    constant = Optimizer(lr=1e-3)
    train(explainer(), scenes, out, optimizer=constant, run=with_run(max_epochs=1))
    train(explainer(), scenes, out, optimizer=constant, run=with_run(max_epochs=2))
    assert [row["epoch"] for row in rows(out)] == ["1", "2"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"optimizer": Optimizer(lr=1e-4)}, r"optimizer\.lr was 0\.001, is 0\.0001; .*ema_decay was 0\.9"),
        ({"objective_options": {"tv_weight": 2.0}}, r"objective\.settings\.tv_weight was 1\.0, is 2\.0\."),
        ({"run": with_run(seed=1)}, r"run\.seed was 42, is 1\. .*repeat the settings in its run\.json"),
        ({"augment": "none"}, r'augment was "flip", is "none"\.'),
        ({"train_split": "train[:50%]"}, r".*data\.training\.images was 24, is 12; data\.training\.hash was"),
    ],
)
def test_another_configuration_in_the_same_folder_is_refused(
    scenes: str, explainer: Build, whole: Path, changes: dict[str, Any], named: str
) -> None:
    before = (whole / "run.json").read_text()
    with pytest.raises(InputError, match=f"holds a training run with other settings: {named}"):
        train(explainer(), scenes, whole, **changes)
    assert (whole / "run.json").read_text() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no folder to a process")
def test_a_folder_that_another_process_trains_in_is_refused(scenes: str, explainer: Build, out: Path) -> None:
    with claimed(out / CONFIG, RECORD), pytest.raises(InputError, match="another process"):
        train(explainer(), scenes, out)
    assert [path.name for path in out.iterdir()] == [LOCK]
    train(explainer(), scenes, out)


def test_a_file_in_the_place_of_the_folder_is_refused(scenes: str, explainer: Build, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(InputError, match="is a file; name a folder"):
        train(explainer(), scenes, tmp_path / "run")


def test_a_folder_of_other_things_is_refused_before_anything_is_read(explainer: Build, out: Path) -> None:
    out.mkdir()
    (out / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match=r"out=.*/run holds other things \(thesis\.tex\) and no run\.json; name a new"):
        train(explainer(), "scenes:/not/there", out)
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("run.json", b"", "is empty; put back a copy of it, or name a new folder"),
        ("run.json", b"{", "is not valid JSON"),
        ("run.json", b'{"settings": {"run": 1}}', "lacks versions"),
        ("last.ckpt", b"", "is empty; put back a copy of it, or delete last.ckpt and best.ckpt to begin anew"),
        ("last.ckpt", b"no checkpoint", "is damaged or something else"),
        ("last.ckpt", {"weights": 1}, "lacks state_dict, epoch, optimizer_states"),
        ("last.ckpt", {"state_dict": {"a": torch.ones(1)}, "epoch": 1, "optimizer_states": []}, "of another network"),
    ],
)
def test_damaged_files_of_a_run_are_named(
    scenes: str, explainer: Build, whole: Path, tmp_path: Path, name: str, content: Any, fault: str
) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    if isinstance(content, bytes):
        (folder / name).write_bytes(content)
    else:
        torch.save(content, folder / name)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix == ".ckpt"}
    with pytest.raises(InputError, match=rf"{name} \(.*\) .*{fault}"):
        train(explainer(), scenes, folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix == ".ckpt"} == before


@MOVED
def test_what_a_killed_run_left_is_cleared(
    scenes: str, explainer: Build, whole: Path, tmp_path: Path, of_the_dead: Callable[[Path], Path]
) -> None:
    folder = shutil.copytree(whole, tmp_path / "copy")
    for name in ("last.ckpt", "metrics.csv", "explainer/model.safetensors", "explainer/config.json"):
        of_the_dead(temporary_file(folder / name))
    names = {path.name for path in whole.rglob("*")}
    train(explainer(), scenes, folder)
    # TensorBoard begins a file of its own for every run.
    assert {path.name for path in folder.rglob("*") if "tfevents" not in path.name} <= names


def test_without_resume_a_folder_with_a_run_is_refused(scenes: str, explainer: Build, whole: Path) -> None:
    with pytest.raises(InputError, match="holds a training run already"):
        train(explainer(), scenes, whole, run=with_run(resume=False))
