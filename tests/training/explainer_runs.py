"""What tests of an Explainer's training have in common: a short run, and what it left."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from explanans.explainers.explainer import Explainer
from explanans.training import Optimizer, Run, Verdict, fit

Build = Callable[[], Explainer]
OPTIMIZER = Optimizer(lr=1e-3, ema_decay=0.9, schedule="cosine")
# A copy of a run's folder lies elsewhere than it says; Lightning goes on from it all the same.
MOVED = pytest.mark.filterwarnings("ignore:The dirpath has changed from:UserWarning")
RUN = Run(max_epochs=3, batch_size=8, patience=0, accelerator="cpu", progress=False)


def train(explainer: Explainer, scenes: str, out: Path, **changes: Any) -> Path:
    settings = {"objective": "stalder2022", "optimizer": OPTIMIZER, "run": RUN, "verdict": Verdict(0), **changes}
    return fit(explainer, scenes, out=out, **settings)


def with_run(**changes: Any) -> Run:
    return Run(**{**RUN.__dict__, **changes})


def state(checkpoint: Path) -> dict[str, Any]:
    return torch.load(checkpoint, "cpu", weights_only=True)


def assert_identical(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))
