"""The folder of a training: what tells it, who may write in it, and how far it got."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import LightningModule

from explanans.errors import InputError
from explanans.training.run_settings import Run
from explanans.utils.records import Kind, read_checkpoint, write_json
from explanans.utils.run_folder import as_json, check_claimable, check_same, claimed
from explanans.version import __version__

LAST = "last.ckpt"
CONFIG = "run.json"
ANSWERS = "answers"
"""A folder that a surrogate's training fills before it is a training."""

RECORD = Kind(
    "training run",
    "put back a copy of it, or name a new folder",
    {"settings": {"run": dict}, "versions": dict},
)
FREE = {
    f"run.{name}"
    for name in ("resume", "progress", "num_workers", "threads", "cache", "devices", "max_epochs", "patience")
}
"""What changes no number, and may differ between a run and its resumption."""

CHECKPOINT = Kind(
    "checkpoint of a training",
    "put back a copy of it, or delete last.ckpt and best.ckpt to begin anew",
    {"state_dict": dict, "epoch": int, "optimizer_states": list},
)


def versions() -> dict[str, str]:
    """What a result depends on besides its configuration."""
    return {
        "explanans": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "machine": platform.machine(),
    }


def check_run_folder(folder: str | Path) -> None:
    """Before any work: whether :func:`train` could begin or go on in a folder.

    Raises:
        InputError: it is a file, or holds other things.
    """
    check_claimable(Path(folder) / CONFIG, remains=(ANSWERS,))


@contextmanager
def claimed_run(folder: Path, run: Run, description: Mapping[str, Any]) -> Iterator[None]:
    """Keep a run's folder to this process in the block, with a ``run.json`` that describes this training.

    Raises:
        InputError: the folder holds other things, another training or more epochs, or another process is at it.
    """
    record = folder / CONFIG
    settings = as_json({**description, "run": asdict(run)})
    # The Explainer or the classifier is saved in a folder below, and its own classifier in one below that.
    with claimed(record, RECORD, remains=(ANSWERS,), levels=2) as earlier:
        if earlier is not None and not run.resume:
            raise InputError(f"out={folder} holds a {RECORD.name} already; name a new folder, or let it resume.")
        if earlier is not None:
            check_same(record, RECORD, earlier["settings"], settings, free=FREE)
            if run.max_epochs is not None and (done := epochs_done(folder / LAST)) > run.max_epochs:
                raise InputError(
                    f"run.max_epochs={run.max_epochs}, but {folder} holds a training of {done} epochs already; ask for "
                    f"{done} or more, or name a new folder."
                )
        write_json(record, RECORD, {**(earlier or {}), "settings": settings, "versions": versions()})
        yield


def epochs_done(checkpoint: Path) -> int:
    """Epochs after which ``last.ckpt`` was saved; 0 where there is none."""
    return int(read_checkpoint(checkpoint, CHECKPOINT)["epoch"]) + 1 if checkpoint.exists() else 0


def check_fits(module: LightningModule, checkpoint: Path) -> None:
    """Lightning's own message would be a traceback."""
    own, saved = module.state_dict(), read_checkpoint(checkpoint, CHECKPOINT)["state_dict"]
    shapes = [{name: getattr(each, "shape", None) for name, each in weights.items()} for weights in (own, saved)]
    wrong = sorted(name for name in {*own, *saved} if shapes[0].get(name) != shapes[1].get(name))
    if wrong:
        raise CHECKPOINT.complain(checkpoint, f"is of another network ({wrong[0]} differs)")
