"""What an option that does not exist was meant to be: the words of other tools, of earlier versions, and slips."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SYNONYMS = {
    "accumulate": "accumulate_grad_batches",
    "average": "ema_decay",
    "bs": "batch_size",
    "clip": "gradient_clip_val",
    "clip_grad": "gradient_clip_val",
    "dataset": "data",
    "early_stopping": "patience",
    "ema": "ema_decay",
    "epochs": "max_epochs",
    "gpus": "devices",
    "learning_rate": "lr",
    "max_grad_norm": "gradient_clip_val",
    "model": "classifier",
    "nodes": "num_nodes",
    "num_epochs": "max_epochs",
    "num_train_epochs": "max_epochs",
    "output": "out",
    "output_dir": "out",
    "random_state": "seed",
    "scheduler": "schedule",
    "train_batch_size": "batch_size",
    "wd": "weight_decay",
    "workers": "num_workers",
}
"""What others call it, by the last part of a name: ``--learning_rate`` and ``--optimisation.learning_rate``."""


def hint_for(unknown: str, known: Iterable[str]) -> str:
    """ " (did you mean --run.max_epochs?)", or nothing where no option is near.

    The options whose last part is the same word go first (``--seed`` → ``--run.seed``), then those that others call so
    (``--epochs``), then the nearest spelling of a whole name or of its last part.

    Args:
        unknown: as it was typed, with or without "--" and a value: ``--epochs=3``.
        known: the names of all options, such as "run.max_epochs", with or without "--".
    """
    word = _form(unknown)
    names = {_form(name): name.removeprefix("--") for name in known}
    last = word.rpartition(".")[2]
    found = [name for name in names if name.rpartition(".")[2] == last]
    if not found and last in SYNONYMS:
        found = [name for name in names if name.rpartition(".")[2] == SYNONYMS[last]]
    if not found:
        found = difflib.get_close_matches(word, names, n=1, cutoff=0.7)
    if not found:
        near = difflib.get_close_matches(last, [name.rpartition(".")[2] for name in names], n=1, cutoff=0.7)
        found = [name for name in names if name.rpartition(".")[2] in near]
    # The group that was named goes first: --calibration.seed is rather calibration's than another's.
    found.sort(key=lambda name: name.partition(".")[0] != word.partition(".")[0])
    return f" (did you mean {' or '.join(f'--{names[name]}' for name in found[:2])}?)" if found else ""


def _form(option: str) -> str:
    return option.partition("=")[0].strip().removeprefix("--").lower().replace("-", "_")
