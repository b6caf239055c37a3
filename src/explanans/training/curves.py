"""The figures of every epoch in one file that outlives interruptions."""

from __future__ import annotations

import csv
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer, callbacks

from explanans.utils.files import atomic_file

CURVES = "metrics.csv"


class Curves(callbacks.Callback):
    """After every epoch a row of ``metrics.csv``: ``epoch`` (from 1) and every logged figure by name.

    A run that resumes keeps the rows of the epochs before and writes the others anew, which lightning's own CSV logger
    does not: it deletes the file.

    Args:
        folder: where the file lies.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / CURVES

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        epoch = trainer.current_epoch + 1
        figures = {name: float(value) for name, value in sorted(trainer.callback_metrics.items()) if "/" in name}
        rows = [row for row in read_curves(self.path) if row["epoch"] < epoch]
        rows.append({"epoch": float(epoch), **figures})
        names = list(dict.fromkeys(name for row in rows for name in row))
        with atomic_file(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows({**row, "epoch": int(row["epoch"])} for row in rows)


def read_curves(path: str | Path) -> list[dict[str, float]]:
    """The rows of a ``metrics.csv`` in order, without the cells that are empty; no rows where there is no file."""
    path = Path(path)
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
