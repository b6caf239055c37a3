"""The training step alone: Lightning's trainer with nothing around it."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, Trainer
from torch.utils.data import DataLoader

from explanans.training.module import TrainingModule


def fit(module: TrainingModule, batches: DataLoader[Any], *hooks: Callback, **options: Any) -> Trainer:
    """Train and validate on the same batches; one epoch unless ``options`` of the trainer say more."""
    trainer = Trainer(
        accelerator="cpu",
        callbacks=list(hooks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"max_epochs": 1, "num_sanity_val_steps": 0, **options},
    )
    trainer.fit(module, batches, batches)
    return trainer
