"""One run of Lightning with its folder: checkpoints, logs, configuration, exact resume."""

from __future__ import annotations

import logging
import platform
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer, callbacks
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from explanans.errors import InputError
from explanans.training.curves import Curves
from explanans.training.precision import choose_precision
from explanans.utils.files import atomic_file
from explanans.utils.numbers import check_count, check_number
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
FREE = {f"run.{name}" for name in ("resume", "progress", "num_workers", "cache", "devices", "max_epochs", "patience")}
"""What changes no number, and may differ between a run and its resumption."""

CHECKPOINT = Kind(
    "checkpoint of a training",
    "put back a copy of it, or delete last.ckpt and best.ckpt to begin anew",
    {"state_dict": dict, "epoch": int, "optimizer_states": list},
)


@dataclass(frozen=True)
class Run:
    """Length, machine and book-keeping of a training, in the words of Lightning's Trainer where it has one.

    Args:
        max_epochs: at most this many.
        batch_size: images per step and device.
        patience: stop after this many epochs without a better validation loss; 0 never stops early.
        keep: "best": the epoch with the best validation figure; "last": the last one, for a schedule that ends low.
        min_delta: by how much the validation loss must fall to count as better.
        seed: decides initial weights, order, augmentation and every draw of the objective; below 2³².
        precision: Lightning's: "32-true", "bf16-mixed", "16-mixed", …; or "auto": bf16-mixed where the hardware
            computes in bfloat16 (twice as fast), else 32-true.
        accumulate_grad_batches: batches per optimiser step.
        gradient_clip_val: largest norm of the gradient; 0 for no clipping.
        channels_last: memory layout of the images; faster for convolutions on most hardware.
        num_workers: processes that load images; 0 loads them in the training process.
        cache: keep decoded and resized images in memory.
        accelerator, devices, num_nodes, strategy: passed to Lightning.
        resume: go on from the last checkpoint in the run folder if there is one.
        progress: say how far it is: a bar in a terminal, elsewhere a line every few seconds, on standard error.
    """

    max_epochs: int = 100
    batch_size: int = 16
    patience: int = 5
    keep: Literal["best", "last"] = "best"
    min_delta: float = 1e-3
    seed: int = 42
    precision: str = "32-true"
    accumulate_grad_batches: int = 1
    gradient_clip_val: float = 0.0
    channels_last: bool = False
    num_workers: int = 0
    cache: bool = True
    accelerator: str = "auto"
    devices: int | str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    resume: bool = True
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("max_epochs", "batch_size", "accumulate_grad_batches", "num_nodes"):
            check_count(f"run.{name}", getattr(self, name))
        for name in ("patience", "num_workers"):
            check_count(f"run.{name}", getattr(self, name), 0)
        check_count("run.seed", self.seed, 0, 2**32)
        check_number("run.min_delta", self.min_delta)
        check_number("run.gradient_clip_val", self.gradient_clip_val)
        if self.keep not in ("best", "last"):
            raise InputError(f"run.keep={self.keep!r}; take 'best' or 'last'.")


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that are whole or not there.

    Lightning's own go through the system's temporary folder, which may be full, and where a kill would leave them.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        # Handed an open file, torch writes no name into it: the same state is the same bytes.
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)


class Patience(callbacks.EarlyStopping):
    """Early stopping that outlives a resumption: what has stopped stays stopped, unless patience was raised."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = self.wait_count >= self.patience


def train(
    module: LightningModule,
    training: DataLoader[Any],
    validation: DataLoader[Any],
    folder: str | Path,
    run: Run,
    description: Mapping[str, Any],
    *,
    monitor: str = "val/loss",
    mode: str = "min",
    extra: Sequence[callbacks.Callback] = (),
    trainer_options: Mapping[str, Any] | None = None,
) -> Path:
    """Run Lightning in ``folder`` and return the checkpoint to keep.

    The folder gets ``run.json`` (configuration, versions, seed, hashes), ``metrics.csv``, TensorBoard events and the
    checkpoints ``best.ckpt`` and ``last.ckpt``. A folder of another configuration, or one that another process trains
    in, is refused, so that nothing is mixed.
    """
    folder = Path(folder)
    best = callbacks.ModelCheckpoint(folder, "best", monitor=monitor, mode=mode, enable_version_counter=False)
    # Two callbacks, because one that saves both writes "last" only when "best" changes.
    last = callbacks.ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    hooks: list[callbacks.Callback] = [best, last, *extra]
    if run.patience:
        hooks.append(Patience(monitor, run.min_delta, run.patience, mode=mode))
    bar = run.progress and sys.stdout.isatty()
    hooks.append(Curves(folder, lines=not bar))
    if bar:
        hooks.append(RichProgressBar())
    options: dict[str, Any] = {
        "max_epochs": run.max_epochs,
        "accelerator": run.accelerator,
        "devices": run.devices,
        "num_nodes": run.num_nodes,
        "strategy": run.strategy,
        "precision": choose_precision(run.precision, run.accelerator),
        "accumulate_grad_batches": run.accumulate_grad_batches,
        "gradient_clip_val": run.gradient_clip_val or None,
        "logger": [TensorBoardLogger(folder, name=None, version="")],
        "callbacks": hooks,
        "plugins": [AtomicCheckpoints()],
        "log_every_n_steps": 1,
        "num_sanity_val_steps": 0,
        "enable_model_summary": False,
        "enable_progress_bar": bar,
        **(trainer_options or {}),
    }
    checkpoint = folder / LAST
    with _quiet():
        trainer = Trainer(**options)
        # Of several processes the first claims: to the others its run would be an earlier one.
        with claimed_run(folder, run, description) if trainer.is_global_zero else nullcontext():
            resumed = checkpoint if checkpoint.exists() else None
            if resumed is not None:
                _check_fits(module, resumed)
            _fit(trainer, module, training, validation, resumed)
    return checkpoint if run.keep == "last" else Path(best.best_model_path or folder / "best.ckpt")


def weights_of(checkpoint: str | Path) -> dict[str, Tensor]:
    """The weights of a checkpoint that :func:`train` kept."""
    return read_checkpoint(checkpoint, CHECKPOINT)["state_dict"]


def versions() -> dict[str, str]:
    """What a result depends on besides its configuration."""
    return {
        "explanans": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "machine": platform.machine(),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's hints about what is meant to be as it is: frozen parts, a run folder that is resumed."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for hint in (r"Found \d+ module\(s\) in eval mode", "Checkpoint directory .* exists and is not empty"):
                warnings.filterwarnings("ignore", hint)
            yield
    finally:
        logger.setLevel(level)


def _fit(
    trainer: Trainer,
    module: LightningModule,
    training: DataLoader[Any],
    validation: DataLoader[Any],
    checkpoint: Path | None,
) -> None:
    """``trainer.fit``, but Ctrl-C stays a KeyboardInterrupt: Lightning exits the process and ignores the next one."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, training, validation, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as ended:
        if not isinstance(ended.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


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
        InputError: the folder holds other things or another training, or another process is at it.
    """
    record = folder / CONFIG
    settings = as_json({**description, "run": asdict(run)})
    # The Explainer or the classifier is saved in a folder below, and its own classifier in one below that.
    with claimed(record, RECORD, remains=(ANSWERS,), levels=2) as earlier:
        if earlier is not None and not run.resume:
            raise InputError(f"out={folder} holds a {RECORD.name} already; name a new folder, or let it resume.")
        if earlier is not None:
            check_same(record, RECORD, earlier["settings"], settings, free=FREE)
        write_json(record, RECORD, {"settings": settings, "versions": versions()})
        yield


def _check_fits(module: LightningModule, checkpoint: Path) -> None:
    """Lightning's own message would be a traceback."""
    own, saved = module.state_dict(), weights_of(checkpoint)
    shapes = [{name: getattr(each, "shape", None) for name, each in weights.items()} for weights in (own, saved)]
    wrong = sorted(name for name in {*own, *saved} if shapes[0].get(name) != shapes[1].get(name))
    if wrong:
        raise CHECKPOINT.complain(checkpoint, f"is of another network ({wrong[0]} differs)")
