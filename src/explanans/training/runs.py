"""One run of Lightning with its folder: checkpoints, logs, configuration, exact resume."""

from __future__ import annotations

import logging
import signal
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer, callbacks
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from explanans.data.loading import EpochSampler
from explanans.errors import InputError
from explanans.training.claim import CHECKPOINT, CONFIG, LAST, check_fits, claimed_run, epochs_done
from explanans.training.curves import CURVES, Curves, read_curves
from explanans.training.precision import choose_precision
from explanans.training.run_settings import Run, epochs_for
from explanans.training.sharing import FreeCores, judges
from explanans.training.watch import Watch
from explanans.utils.files import atomic_file
from explanans.utils.records import read_checkpoint


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that are whole or not there.

    Lightning's own go through the system's temporary folder, which may be full, and where a kill would leave them.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        # Handed an open file, torch writes no name into it: the same state is the same bytes.
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)


class Keeping(callbacks.ModelCheckpoint):
    """Lightning's, but a run that resumes knows the latest score again, and ends in the bytes of one that was whole."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.current_score = state_dict["current_score"]


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
    what: str,
    monitor: str = "val/loss",
    mode: str = "min",
    extra: Sequence[callbacks.Callback] = (),
    trainer_options: Mapping[str, Any] | None = None,
) -> None:
    """Run Lightning in ``folder``; the module gets the weights of the epoch that is kept.

    The folder gets ``run.json`` (configuration, versions, seed, hashes), ``metrics.csv``, TensorBoard events and the
    checkpoints ``best.ckpt`` and ``last.ckpt``. A folder of another configuration, or one that another process trains
    in, is refused, so that nothing is mixed. A training that is done goes on where ``max_epochs`` was raised; what
    depends on its length (the cosine schedule, an objective's own) is then that of the longer one.

    Args:
        what: for people, as in "training the classifier".

    Raises:
        InputError: the folder cannot be claimed (:func:`claimed_run`), or Lightning refuses a setting.
        TrainingDiverged: the loss became NaN or infinite.
    """
    folder = Path(folder)
    epochs = run.max_epochs or epochs_for(len(training))
    run = replace(run, max_epochs=epochs)
    best = Keeping(folder, "best", monitor=monitor, mode=mode, enable_version_counter=False)
    # Two callbacks, because one that saves both writes "last" only when "best" changes.
    last = Keeping(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    stopping = Patience(monitor, run.min_delta, run.patience, mode=mode) if run.patience else None
    watch = Watch(what, list(dict.fromkeys(["train/loss", "val/loss", monitor])), show=run.progress)
    cores = FreeCores(folder / CONFIG, judging=judges(run.threads))
    hooks = [best, last, cores, *extra, *([stopping] if stopping else []), Curves(folder), watch]
    options: dict[str, Any] = {
        "max_epochs": epochs,
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
        "enable_progress_bar": False,
        **(trainer_options or {}),
    }
    checkpoint = folder / LAST
    start = time.monotonic()
    with _quiet():
        try:
            trainer = Trainer(**options)
        except (MisconfigurationException, TypeError, ValueError, ImportError) as error:
            raise InputError(f"run: Lightning's Trainer refuses these settings: {error}") from error
        # Of several processes the first claims: to the others its run would be an earlier one.
        with claimed_run(folder, run, description) if trainer.is_global_zero else nullcontext():
            done = epochs_done(checkpoint)
            if done:
                check_fits(module, checkpoint)
            # Lightning tells the epoch only after loader workers have begun with the order of the first one.
            if isinstance(training.sampler, EpochSampler):
                training.sampler.set_epoch(done)
            _fit(trainer, module, training, validation, checkpoint if done else None)
    kept = checkpoint if run.keep == "last" else Path(best.best_model_path or folder / "best.ckpt")
    state = read_checkpoint(kept, CHECKPOINT)
    module.load_state_dict(state["state_dict"])
    took = timedelta(seconds=round(time.monotonic() - start))
    patient = f"no better {monitor} for run.patience={run.patience} epochs"
    if done == epochs:
        watch.say(f"nothing is left to train: all {done} epochs are done")
    elif stopping and stopping.wait_count >= run.patience and trainer.current_epoch <= done:
        watch.say(f"nothing is left to train: {patient} after epoch {done}; a larger run.patience goes on")
    elif stopping and stopping.wait_count >= run.patience:
        watch.say(f"stopped after epoch {trainer.current_epoch} ({took}): {patient}")
    else:
        count = epochs - done
        watch.say(f"trained {count} epoch{'' if count == 1 else 's'} in {took}")
    watch.say(f"kept epoch {state['epoch'] + 1}{_figures(folder, state['epoch'] + 1, watch.figures)}")


def _figures(folder: Path, epoch: int, names: Sequence[str]) -> str:
    rows = [row for row in read_curves(folder / CURVES) if row["epoch"] == epoch]
    shown = [f"{name} {row[name]:.4f}" for row in rows for name in names if name in row]
    return f": {', '.join(shown)}" if shown else ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's hints about what is meant to be as it is (frozen parts, a run folder that is resumed), and
    without its own call of what torch deprecates."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for hint in (
                r"Found \d+ module\(s\) in eval mode",
                "Checkpoint directory .* exists and is not empty",
                r"`isinstance\(treespec, LeafSpec\)` is deprecated",
            ):
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
