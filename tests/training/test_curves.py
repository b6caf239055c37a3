from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import torch

from explanans.training.curves import Curves, read_curves


def epoch(number: int, **figures: float) -> Any:
    named = {name.replace("_", "/"): torch.tensor(value) for name, value in figures.items()}
    return cast(
        Any, SimpleNamespace(current_epoch=number - 1, max_epochs=3, is_global_zero=True, callback_metrics=named)
    )


def test_a_resumed_run_keeps_the_epochs_before(tmp_path: Path) -> None:
    module = cast(Any, None)
    curves = Curves(tmp_path)
    curves.on_train_epoch_end(epoch(1, train_loss=3.0), module)
    curves.on_train_epoch_end(epoch(2, train_loss=2.0), module)
    # Killed in epoch 3 after the checkpoint of epoch 1: epoch 2 is done again.
    again = Curves(tmp_path)
    again.on_train_epoch_end(epoch(2, train_loss=1.5, val_loss=1.0), module)
    assert read_curves(tmp_path / "metrics.csv") == [
        {"epoch": 1, "train/loss": 3.0},
        {"epoch": 2, "train/loss": 1.5, "val/loss": 1.0},
    ]


def test_no_file_no_rows(tmp_path: Path) -> None:
    assert read_curves(tmp_path / "metrics.csv") == []
