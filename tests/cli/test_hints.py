from __future__ import annotations

import pytest

from explanans.cli.hints import SYNONYMS, hint_for
from explanans.cli.main import main

KNOWN = [
    *("classifier", "data", "network", "out", "--quiet", "surrogate", "objective_options"),
    *("run.max_epochs", "run.batch_size", "run.seed", "run.num_workers", "run.gradient_clip_val", "run.num_nodes"),
    *("optimizer.lr", "optimizer.weight_decay", "optimizer.ema_decay", "calibration.images", "calibration.fill"),
]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--epochs", "--run.max_epochs"),
        ("--epochs=3", "--run.max_epochs"),
        ("--run.epochs", "--run.max_epochs"),
        ("--learning_rate", "--optimizer.lr"),
        ("--learning-rate", "--optimizer.lr"),
        ("--optimisation.learning_rate", "--optimizer.lr"),
        ("--optimisation.average=0.9", "--optimizer.ema_decay"),
        ("--lr", "--optimizer.lr"),
        ("--batch_size", "--run.batch_size"),
        ("--batch-size", "--run.batch_size"),
        ("--seed", "--run.seed"),
        ("--Seed", "--run.seed"),
        ("--workers", "--run.num_workers"),
        ("--clip", "--run.gradient_clip_val"),
        ("--nodes", "--run.num_nodes"),
        ("--output_dir", "--out"),
        ("--run.max_epoch", "--run.max_epochs"),
        ("--optimiser.lr", "--optimizer.lr"),
        ("--weigth_decay", "--optimizer.weight_decay"),
        ("--quite", "--quiet"),
        ("images", "--calibration.images"),
    ],
)
def test_what_was_meant(typed: str, meant: str) -> None:
    assert hint_for(typed, KNOWN) == f" (did you mean {meant}?)"


def test_two_groups_with_the_same_word() -> None:
    known = ["run.seed", "calibration.seed"]
    assert hint_for("--seed", known) == " (did you mean --run.seed or --calibration.seed?)"
    assert hint_for("--calibration.seeds", known) == " (did you mean --calibration.seed?)"
    assert hint_for("--calibration.max.seed", known) == " (did you mean --calibration.seed or --run.seed?)"


@pytest.mark.parametrize("typed", ["--xyzzy", "--", "-", "", "--é"])
def test_what_nobody_can_guess(typed: str) -> None:
    assert hint_for(typed, KNOWN) == ""


def test_a_synonym_that_a_command_lacks_is_not_told() -> None:
    assert hint_for("--epochs", ["size", "out"]) == ""


def test_synonyms_are_no_chains() -> None:
    assert not set(SYNONYMS) & set(SYNONYMS.values())


@pytest.mark.parametrize(
    ("command", "typed", "meant"),
    [
        (["fit", "a", "b"], "--epochs", "--run.max_epochs"),
        (["fit", "a", "b"], "--learning_rate", "--optimizer.lr"),
        (["classifier", "fit", "a", "b"], "--batch_size", "--run.batch_size"),
        (["surrogate", "fit", "a", "b"], "--lr", "--optimizer.lr"),
    ],
)
def test_on_the_command_line(command: list[str], typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, typed, "3"]) == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err
