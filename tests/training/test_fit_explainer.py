from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.data import open_dataset
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.training import Calibration, Optimizer, TrainingDiverged
from explanans.training.cut_curve import RECORD
from explanans.training.explainer_training import ExplainerTraining
from explanans.utils.records import read_json

from .explainer_runs import MOVED, Build, assert_identical, rows, state, train, with_run


def test_a_run_leaves_everything_that_it_promises(whole: Path, explainer: Build, classes: tuple[str, ...]) -> None:
    settings = json.loads((whole / "run.json").read_text())
    assert settings["settings"]["run"]["seed"] == 42
    assert settings["settings"]["objective"]["settings"]["tv_weight"] == 1.0
    assert settings["settings"]["explanandum"]["weights_hash"] == explainer().explanandum.weights_hash
    assert settings["settings"]["data"]["training"]["images"] == 24
    assert {"torch", "explanans", "lightning"} <= settings["versions"].keys()
    assert [row["epoch"] for row in rows(whole)] == ["1", "2", "3"]
    assert {"train/loss", "val/loss", "train/tv", "val/entropy"} <= rows(whole)[0].keys()
    assert list(whole.glob("events.out.tfevents.*"))
    assert {"best.ckpt", "last.ckpt", "explainer"} <= {path.name for path in whole.iterdir()}
    again = Explainer.from_pretrained(whole / "explainer", explanandum=explainer().explanandum)
    assert again.facts["data"]["validation"]["images"] == 8
    assert again.facts["seed"] == 42


def test_the_saved_explainer_is_the_averaged_network_of_the_best_epoch(whole: Path, explainer: Build) -> None:
    losses = [float(row["val/loss"]) for row in rows(whole)]
    best = state(whole / "best.ckpt")
    assert best["epoch"] == losses.index(min(losses))
    averaged = {
        name.removeprefix("average.module."): tensor
        for name, tensor in best["state_dict"].items()
        if name.startswith("average.module.")
    }
    saved = Explainer.from_pretrained(whole / "explainer", explanandum=explainer().explanandum)
    assert_identical(saved.network.state_dict(), averaged)


def test_training_leaves_the_classifier_bit_identical(scenes: str, explainer: Build, out: Path) -> None:
    trained = explainer()
    before = copy.deepcopy(trained.explanandum.module.state_dict())
    start = copy.deepcopy(trained.network.state_dict())
    train(trained, scenes, out, run=with_run(max_epochs=1))
    assert_identical(trained.explanandum.module.state_dict(), before)
    assert not torch.equal(trained.network.state_dict()["head.weight"], start["head.weight"])
    assert not trained.training


def test_the_same_seed_gives_the_same_numbers(scenes: str, explainer: Build, out: Path, whole: Path) -> None:
    train(explainer(), scenes, out)
    assert rows(out) == rows(whole)
    assert_identical(state(out / "last.ckpt")["state_dict"], state(whole / "last.ckpt")["state_dict"])


def test_a_loss_that_is_not_a_number_stops_the_run_and_names_the_term(
    scenes: str, explainer: Build, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from explanans.objectives.stalder2022 import Stalder2022

    compute = Stalder2022.__call__
    calls = []

    def broken(self: Stalder2022, *arguments: Any, **options: Any) -> dict[str, Tensor]:
        calls.append(1)
        terms = compute(self, *arguments, **options)
        # One epoch is three steps and one validation.
        return {**terms, "tv": terms["tv"] * float("nan")} if len(calls) == 6 else terms

    monkeypatch.setattr(Stalder2022, "__call__", broken)
    with pytest.raises(TrainingDiverged, match=r"no longer finite at step 4: \{'tv': nan\}"):
        train(explainer(), scenes, out)
    assert state(out / "last.ckpt")["epoch"] == 0


class Rising:
    """A loss that only grows: the first epoch is the best."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, logits: Tensor, *arguments: Any) -> dict[str, Tensor]:
        self.calls += 1
        return {"rising": 0 * logits.sum() + self.calls}


def test_an_objective_of_ones_own_may_hold_what_json_cannot(scenes: str, explainer: Build, out: Path) -> None:
    class Weighted(Rising):
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.ones(3)

    train(explainer(), scenes, out, objective=Weighted(), run=with_run(max_epochs=1))
    recorded = json.loads((out / "run.json").read_text())["settings"]["objective"]
    assert recorded == {"name": "Weighted", "settings": {"calls": 0, "weights": "Tensor"}}


def test_early_stopping_keeps_the_best_epoch(scenes: str, explainer: Build, out: Path) -> None:
    run = with_run(max_epochs=9, patience=2)
    train(explainer(), scenes, out, objective=Rising(), run=run)
    assert [row["epoch"] for row in rows(out)] == ["1", "2", "3"]
    assert state(out / "best.ckpt")["epoch"] == 0


class Sinking:
    """A loss that falls by 0.5 from one validation to the next."""

    def __init__(self) -> None:
        self.validations = 0

    def __call__(self, logits: Tensor, *arguments: Any) -> dict[str, Tensor]:
        # A training step has a gradient to follow, a validation has none.
        self.validations += not torch.is_grad_enabled()
        return {"sinking": 0 * logits.sum() - 0.5 * self.validations}


def test_small_gains_end_patience_and_the_lowest_loss_is_kept_all_the_same(
    scenes: str, explainer: Build, out: Path
) -> None:
    train(explainer(), scenes, out, objective=Sinking(), run=with_run(max_epochs=9, patience=3, min_delta=2.0))
    # By the fourth epoch the loss has fallen by 1.5 in all, which is less than a gain of 2.
    assert [float(row["val/loss"]) for row in rows(out)] == [-0.5, -1.0, -1.5, -2.0]
    assert state(out / "best.ckpt")["epoch"] == 3


def test_a_run_that_stopped_early_stays_stopped_and_says_so(
    scenes: str, explainer: Build, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = with_run(max_epochs=9, patience=1, progress=True)
    train(explainer(), scenes, out, objective=Rising(), run=run)
    assert len(rows(out)) == 2
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"stopped after epoch 2 \(.*\): no better val/loss for run.patience=1 epochs", said[-2])
    assert said[-1].startswith("kept epoch 1: train/loss")
    train(explainer(), scenes, out, objective=Rising(), run=run)
    assert len(rows(out)) == 2
    said = capsys.readouterr().out.splitlines()
    assert said[-2].endswith("for run.patience=1 epochs after epoch 2; a larger run.patience goes on")


@MOVED
def test_what_was_done_is_said(
    scenes: str, explainer: Build, whole: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole, out)
    train(explainer(), scenes, out, run=with_run(progress=True))
    said = capsys.readouterr().out.splitlines()
    assert said[-2] == "nothing is left to train: all 3 epochs are done"
    train(explainer(), scenes, out, run=with_run(max_epochs=4, progress=True))
    said = capsys.readouterr().out.splitlines()
    assert "3 of 4 epochs are done already" in said
    assert said[-2].startswith("trained 1 epoch in ")


def test_batches_accumulate_into_one_step(scenes: str, explainer: Build, out: Path) -> None:
    run = with_run(max_epochs=1, accumulate_grad_batches=2)
    train(explainer(), scenes, out, run=run)
    checkpoint = state(out / "last.ckpt")
    # Three batches: two for the first step, and the last one alone for the second.
    assert checkpoint["global_step"] == 2
    assert checkpoint["state_dict"]["average.n_averaged"] == 2


def test_the_gradient_is_clipped(scenes: str, explainer: Build, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []
    clip = ExplainerTraining.configure_gradient_clipping

    def clip_and_measure(self: ExplainerTraining, *arguments: Any, **options: Any) -> None:
        clip(self, *arguments, **options)
        gradients = [parameter.grad.norm() for parameter in self.explainer.network.parameters()]
        norms.append(float(torch.stack(gradients).norm()))

    monkeypatch.setattr(ExplainerTraining, "configure_gradient_clipping", clip_and_measure)
    train(explainer(), scenes, out, run=with_run(max_epochs=1, gradient_clip_val=1e-3))
    assert norms == pytest.approx([1e-3] * 3, rel=1e-3)


class Encoded(nn.Module):
    """A network with a pre-trained part, by name."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Sequential(nn.Conv2d(4, classes, 1), nn.BatchNorm2d(classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images))


def encoded(explainer: Build) -> Explainer:
    explanandum = explainer().explanandum
    torch.manual_seed(0)
    return Explainer(explanandum, Encoded(explanandum.num_classes))


def test_frozen_statistics_of_the_encoder_stay(scenes: str, explainer: Build, out: Path) -> None:
    trained = encoded(explainer)
    before = copy.deepcopy(trained.network)
    optimizer = Optimizer(lr=1e-3, freeze_statistics=True)
    train(trained, scenes, out, optimizer=optimizer, run=with_run(max_epochs=2))
    assert torch.equal(trained.network.encoder[1].running_var, before.encoder[1].running_var)
    assert not torch.equal(trained.network.encoder[0].weight, before.encoder[0].weight)
    assert not torch.equal(trained.network.head[1].running_var, before.head[1].running_var)


def test_a_factor_of_zero_freezes_the_encoder(scenes: str, explainer: Build, out: Path) -> None:
    trained = encoded(explainer)
    before = copy.deepcopy(trained.network)
    train(trained, scenes, out, optimizer=Optimizer(1e-3, pretrained_factor=0), run=with_run(max_epochs=1))
    assert torch.equal(trained.network.encoder[0].weight, before.encoder[0].weight)
    assert not torch.equal(trained.network.head[0].weight, before.head[0].weight)


def test_an_explainer_in_evaluation_mode_is_trained_in_training_mode(scenes: str, explainer: Build, out: Path) -> None:
    trained = encoded(explainer).eval()
    before = copy.deepcopy(trained.network)
    train(trained, scenes, out, run=with_run(max_epochs=1), optimizer=Optimizer(1e-3))
    assert not torch.equal(trained.network.encoder[1].running_var, before.encoder[1].running_var)


def test_a_data_set_of_other_classes_is_refused(scenes: str, explainer: Build, out: Path) -> None:
    from explanans.images.preprocessing import Preprocessing

    data = open_dataset(scenes, "train", preprocessing=Preprocessing(48, (0.5,) * 3, (0.25,) * 3))
    one = explainer()
    one.explanandum.classes = tuple(f"other {name}" for name in one.classes)
    with pytest.raises(InputError, match=r"data: .* has the classes .* the classifier .*other"):
        train(one, data, out, validation=data)
    assert not out.exists()


def test_an_unknown_objective_is_refused_before_the_folder_is_made(scenes: str, explainer: Build, out: Path) -> None:
    with pytest.raises(InputError, match="objective='magic'"):
        train(explainer(), scenes, out, objective="magic")
    with pytest.raises(InputError, match="augment='twirl'"):
        train(explainer(), scenes, out, augment="twirl")
    assert not out.exists()


def test_the_last_epoch_can_be_kept_instead_of_the_best(scenes: str, explainer: Build, out: Path) -> None:
    trained = encoded(explainer)
    train(trained, scenes, out, objective=Rising(), run=with_run(keep="last"), optimizer=Optimizer(1e-3))
    last, best = state(out / "last.ckpt"), state(out / "best.ckpt")
    assert (best["epoch"], last["epoch"]) == (0, 2)
    # The loss has no gradient, but batch norm has seen more.
    mean, name = trained.network.encoder[1].running_mean, "explainer.network.encoder.1.running_mean"
    assert torch.equal(mean, last["state_dict"][name])
    assert not torch.equal(mean, best["state_dict"][name])


@MOVED
def test_a_training_may_end_with_a_calibration(scenes: str, explainer: Build, whole: Path, out: Path) -> None:
    own = explainer()
    shutil.copytree(whole, out)
    train(own, scenes, out, calibration=Calibration(images=3))
    cut = own.facts["calibration"]["cut"]
    assert (float(own.scale), float(own.shift)) == (own.facts["calibration"]["sharpness"], -cut)
    assert own.facts["calibration"]["images"] == 3
    assert own.facts["calibration"] == read_json(out / "calibration.json", RECORD)
    loaded = Explainer.from_pretrained(out / "explainer", explanandum=own.explanandum)
    assert (float(loaded.scale), float(loaded.shift)) == (own.facts["calibration"]["sharpness"], -cut)


def test_a_head_on_the_trunk_is_trained_and_the_classifier_stays(
    scenes: str, explainer: Build, classes: tuple[str, ...], out: Path
) -> None:
    explanandum = explainer().explanandum
    given = explanandum.module
    # Some pictures, so that the statistics are not those of a new batch norm.
    given.train()
    with torch.no_grad():
        given(torch.randn(4, 3, 48, 48, generator=torch.Generator().manual_seed(0)))
    explained = Explainer(
        Explanandum(given, classes=classes, activation="sigmoid", preprocessing=explanandum.preprocessing),
        "trunk?width=8&depth=1",
    )
    before, untrained = copy.deepcopy(given.state_dict()), copy.deepcopy(explained.network.state_dict())
    saved = train(explained, scenes, out, run=with_run(max_epochs=1))
    assert_identical(before, given.state_dict())
    assert (
        Explanandum(given, classes=classes, activation="sigmoid", preprocessing=explanandum.preprocessing).weights_hash
        == json.loads((saved / "config.json").read_text())["classifier"]["weights_hash"]
    )
    trained = load_file(saved / "model.safetensors")
    # The head and nothing of the classifier, all of it moved, and the running average is what was saved.
    assert trained.keys() == untrained.keys()
    assert not torch.equal(trained["head.weight"], untrained["head.weight"])
    again = Explainer.from_pretrained(saved, explanandum=explained.explanandum)
    images = torch.randn(2, 3, 48, 48)
    assert torch.equal(again(images), explained(images))
