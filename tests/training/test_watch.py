from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from explanans.training.run_settings import Run
from explanans.training.watch import Watch, announce, size_of


class Clock:
    """A step takes 2 seconds, a batch of validation 10, the very first step 60."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow(LightningModule):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.weight = nn.Parameter(torch.ones(1))
        self.first = True

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        self.clock.now += 60 if self.first else 2
        self.first = False
        loss = self.weight.sum() * 0 + 3
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=1)
        return loss

    def validation_step(self, batch: Tensor, index: int) -> None:
        self.clock.now += 10
        self.log("val/loss", torch.tensor(0.5), batch_size=1)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(show: bool = True, **options: Any) -> Watch:
    clock = Clock()
    watch = Watch("training the thing", ["train/loss", "val/loss", "val/other"], show=show, clock=clock)
    trainer = Trainer(
        accelerator="cpu",
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"max_epochs": 2, "num_sanity_val_steps": 0, **options},
    )
    ten, four = (DataLoader(torch.zeros(count, 1)) for count in (10, 4))  # type: ignore[arg-type]
    trainer.fit(Slow(clock), ten, four)
    return watch


def test_what_is_said_in_all(capsys: pytest.CaptureFixture[str]) -> None:
    fit()
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert re.fullmatch(r"on cpu, \d+ threads?, 32-true; 10 steps in an epoch, at most 2 epochs", lines[0])
    # After six steps 14 are left of 2 s, and 8 batches of validation, which are taken for a third of a step.
    assert lines[1:] == [
        "about 0:00:33 for 2 epochs, by the first 5 steps",
        "epoch 1/2  train/loss 3.0000  val/loss 0.5000  (0:01:58)",
        "epoch 2/2  train/loss 3.0000  val/loss 0.5000  (0:01:00)",
    ]
    piped = said.err.splitlines()
    assert piped[0] == "training the thing: 1 of 20 steps, epoch 1/2, loss 3.000, 0:19:00 left"
    # What is left are ten steps of 2 s and six batches of 10 s.
    assert "training the thing: 10 of 20 steps, epoch 1/2, validation 2/4, 0:01:20 left" in piped
    assert piped[-1] == "training the thing: 20 of 20 steps, took 0:02:58"


def test_nothing_is_said_where_nobody_asks(capsys: pytest.CaptureFixture[str]) -> None:
    fit(show=False)
    assert capsys.readouterr() == ("", "")


def test_a_loss_is_that_of_a_batch_whatever_is_accumulated(capsys: pytest.CaptureFixture[str]) -> None:
    fit(max_epochs=1, accumulate_grad_batches=4)
    assert ", loss 3.000, " in capsys.readouterr().err


def test_the_bar_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Watch] = []
    on_fit_start = Watch.on_fit_start

    def keep(self: Watch, *arguments: Any) -> None:
        seen.append(self)
        on_fit_start(self, *arguments)

    monkeypatch.setattr(Watch, "on_fit_start", keep)
    monkeypatch.setattr(Slow, "validation_step", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit()
    assert seen[0].progress is not None
    assert seen[0].progress._over.is_set()


def test_lines_of_the_first_process_alone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    announce(Run(), "one", "two")
    announce(Run(progress=False), "three")
    monkeypatch.setenv("LOCAL_RANK", "1")
    announce(Run(), "four")
    assert capsys.readouterr().out == "one\ntwo\n"


def test_sizes() -> None:
    network = nn.Sequential(nn.Linear(1000, 900), nn.Linear(900, 100))
    assert size_of(network) == "0.99 M parameters"
    network[0].requires_grad_(False)
    assert size_of(network) == "0.99 M parameters, 0.09 M of them trained"


def test_many_devices_are_named() -> None:
    from explanans.training.watch import machine

    strategy = SimpleNamespace(root_device=torch.device("cuda", 0))
    trainer = cast(Any, SimpleNamespace(strategy=strategy, world_size=4, precision="bf16-mixed", max_epochs=3))
    assert machine(trainer, 1200) == "on 4 × cuda:0, bf16-mixed; 1,200 steps in an epoch, at most 3 epochs"
