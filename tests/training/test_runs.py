from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from torch.utils.data import DataLoader

from explanans.errors import InputError
from explanans.training.run_settings import Run
from explanans.training.runs import AtomicCheckpoints, train

NAN = float("nan")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "values"),
    [
        *(
            (name, (0, -1, 1.5, "x", True))
            for name in ("max_epochs", "batch_size", "accumulate_grad_batches", "num_nodes")
        ),
        *((name, (-1, 0.5, "x")) for name in ("patience", "num_workers")),
        ("seed", (-1, 2**32, 2**40, 0.5, "x")),
        ("min_delta", (-1e-3, NAN, float("inf"), "x")),
        ("gradient_clip_val", (-1.0, NAN, "x")),
        ("threads", (0, -2, 1.5, "many")),
        ("keep", ("worst", 1)),
        ("precision", ("8-true", "bf16-true", "64-true", "transformer-engine", "", 32)),
        ("strategy", ("ddp_spawn", "ddp_find_unused_parameters_true_spawn")),
    ],
)
def test_what_a_run_refuses(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(InputError, match=re.escape(f"run.{name}={value!r}; ")):
            Run(**{name: value})


def test_the_ends_of_the_ranges_are_fine() -> None:
    Run(max_epochs=1, patience=0, seed=0, min_delta=0, gradient_clip_val=0, threads=1)
    Run(seed=2**32 - 1, threads="auto")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "settings",
    [{"accelerator": "abacus"}, {"strategy": "luck"}, {"accelerator": "tpu"}, {"devices": -5}, {"devices": "many"}],
)
def test_what_lightning_refuses_is_no_traceback(settings: dict[str, Any], tmp_path: Path) -> None:
    module, data = LightningModule(), DataLoader([0])  # type: ignore[arg-type, var-annotated]
    with pytest.raises(InputError, match="run: Lightning's Trainer refuses these settings: "):
        train(module, data, data, tmp_path / "run", Run(**settings), {}, what="training")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpoints().save_checkpoint({"epoch": 1}, path)
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        AtomicCheckpoints().save_checkpoint({"epoch": 2, "lambda": (generator for generator in ())}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_the_same_state_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        AtomicCheckpoints().save_checkpoint({"epoch": 1, "weight": torch.ones(3)}, tmp_path / name)
    assert (tmp_path / "last.ckpt").read_bytes() == (tmp_path / "best.ckpt").read_bytes()
