"""Two processes that train together: one of them writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lightning.pytorch.utilities import rank_zero_only
from torch import distributed

import explanans
from explanans.explainers.explainer import Explainer
from explanans.training.processes import is_first
from explanans.utils.locks import LOCK

from ..programs import Programs  # noqa: TID252 - tests are no package with a name
from .explainer_runs import OPTIMIZER, Build, rows, train, with_run


def test_a_task_of_a_cluster_that_trains_alone_saves_whatever_its_number(
    scenes: str, explainer: Build, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So Lightning reads the number of a task that a scheduler started beside others.
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    saved = train(explainer(), scenes, out, run=with_run(max_epochs=1, devices=1))
    assert is_first()
    assert {path.name for path in out.iterdir()} >= {"run.json", "last.ckpt", "metrics.csv", saved.name, LOCK}
    Explainer.from_pretrained(saved, explanandum=explainer().explanandum)


TOGETHER = """
import json, sys
sys.path.insert(0, {tests!r})
from conftest import PREPROCESSING, Living
import torch
from explanans import Explainer, Explanandum, Optimizer, Run, fit
from explanans.training.explainer_training import ExplainerTraining
torch.set_num_threads(1)
torch.manual_seed(0)
classes = {classes!r}
classifier = Living(len(classes))
explained = Explanandum(classifier, classes=classes, activation="sigmoid", preprocessing=PREPROCESSING)
explainer = Explainer(explained, "compact")
written = []
save = explainer.save_pretrained
explainer.save_pretrained = lambda *arguments: (written.append(1), save(*arguments))
losses = []
step = ExplainerTraining.validation_step

def told(self, batch, index):
    losses.append(float(step(self, batch, index)))

ExplainerTraining.validation_step = told
saved = fit(explainer, {scenes!r}, objective="stalder2022", optimizer={optimizer!r}, run={run!r}, out={out!r})
read = Explainer.from_pretrained(saved, explanandum=explained)
same = all(torch.equal(a, b) for a, b in zip(read.network.parameters(), explainer.network.parameters()))
# A file for each, because their lines may mix in one pipe.
with open({ended!r} + str(torch.distributed.get_rank()), "w") as file:
    json.dump({{"written": len(written), "same": same, "losses": losses}}, file)
"""
FIRST = """
import os, runpy, sys
os.environ["PYTHONPATH"] = {path!r}
sys.argv = [{script!r}]
runpy.run_path({script!r}, run_name="__main__")
"""


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="needs gloo")
def test_two_processes_train_one_explainer_and_the_first_saves_it(
    scenes: str, explainer: Build, classes: tuple[str, ...], out: Path, tmp_path: Path, programs: Programs
) -> None:
    # A folder that may not hold a run yet: the second process must not take the first one's for an earlier run.
    run = with_run(max_epochs=1, batch_size=4, devices=2, strategy="ddp", resume=False)
    script = tmp_path / "together.py"
    tests = str(Path(__file__).parent)
    script.write_text(
        TOGETHER.format(
            tests=tests,
            classes=classes,
            scenes=scenes,
            optimizer=OPTIMIZER,
            run=run,
            out=str(out),
            ended=str(tmp_path / "ended"),
        )
    )
    # The first one is a fork; it starts the second as Lightning does, which is the same script in a new interpreter.
    ended = programs.run(FIRST.format(path=str(Path(explanans.__file__).parents[1]), script=str(script)))
    assert ended.returncode == 0, ended.stderr
    first, second = (json.loads((tmp_path / f"ended{rank}").read_text()) for rank in (0, 1))
    # Saved before the verdict, and with it.
    assert (first["written"], second["written"]) == (2, 0)
    assert first["same"]
    assert second["same"]
    # Half of the eight pictures each, and other draws; what is reported is the mean of both.
    assert len(first["losses"]) == len(second["losses"]) == 1
    assert first["losses"] != second["losses"]
    (row,) = rows(out)
    assert float(row["val/loss"]) == pytest.approx((first["losses"][0] + second["losses"][0]) / 2, rel=1e-4)
    saved = Explainer.from_pretrained(out / "explainer", explanandum=explainer().explanandum)
    assert saved.facts["seed"] == run.seed
