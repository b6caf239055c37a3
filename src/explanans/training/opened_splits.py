"""The pictures of a training and of its validation: opened alike, checked before anything is spent, and described."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from explanans.data import LabelledImages, loader, open_dataset
from explanans.data.dataset import Sample
from explanans.data.joint_augment import Augment
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.training.run_settings import Run
from explanans.utils.text import few

MOST_SHOWN = 12
"""So many classes are listed with their pictures; of more only the most and the least frequent."""


def open_splits(
    data: str | Path | LabelledImages,
    validation: str | Path | LabelledImages | None,
    train_split: str,
    validation_split: str,
    *,
    classes: Sequence[str],
    preprocessing: Preprocessing,
    run: Run,
    labels: bool = True,
) -> tuple[LabelledImages, LabelledImages]:
    """The pictures to train on and those to validate on, without augmentation unless they bring their own.

    Args:
        data: a data set, or a name of one whose ``train_split`` is opened.
        validation: likewise for ``validation_split``; None: ``data`` again.
        labels: False where they are not used, so that a given data set may have other classes.

    Raises:
        InputError: other classes or another preprocessing than asked for, less than one batch to train on, or nothing
            to validate on.
    """

    def opened(given: str | Path | LabelledImages, split: str) -> LabelledImages:
        if isinstance(given, LabelledImages):
            return given
        return open_dataset(
            given, split, classes=classes, preprocessing=preprocessing, cache=run.cache, segmentation=False
        )

    training = opened(data, train_split)
    held_out = opened(data if validation is None else validation, validation_split)
    for argument, dataset in (("data", training), ("validation", held_out)):
        if labels and tuple(dataset.classes) != tuple(classes):
            raise InputError(
                f"{argument}: {dataset.name} has the classes {dataset.classes}, the classifier {tuple(classes)}; give "
                "data of the same classes in the same order."
            )
        if dataset.preprocessing != preprocessing:
            raise InputError(
                f"{argument}: {dataset.name} was opened with {dataset.preprocessing}; this classifier needs "
                f"{preprocessing}."
            )
    if not len(held_out):
        raise InputError(
            f"validation: {held_out.name} has no picture; name another validation_split, or parts such as train[:90%] "
            "and train[90%:]."
        )
    check_batch(len(training), run, f"data: {training.name}")
    return training, held_out


def check_batch(pictures: int, run: Run, whose: str) -> None:
    """An :class:`InputError` where the pictures are fewer than a batch on each device: no step would be made."""
    devices = run.num_nodes * (run.devices if isinstance(run.devices, int) and run.devices > 1 else 1)
    if pictures < run.batch_size * devices:
        on = f" on each of {devices} devices" if devices > 1 else ""
        raise InputError(
            f"{whose} has {pictures} pictures, fewer than one batch (run.batch_size={run.batch_size}{on}), so that no "
            f"step would be made. Give more pictures, or run.batch_size={max(1, pictures // devices)} or less."
        )


def augmented(dataset: LabelledImages, transform: Augment | None) -> LabelledImages:
    """The same pictures, changed by ``transform`` whenever they are read, unless they have a change of their own."""
    changed = copy.copy(dataset)
    changed.augment = transform if dataset.augment is None else dataset.augment
    return changed


def loaders(
    training: LabelledImages,
    held_out: LabelledImages,
    transform: Augment | None,
    run: Run,
    *,
    beside: Sequence[int] = (),
    each: int = 0,
) -> tuple[DataLoader[Sample], DataLoader[Sample]]:
    """Whole batches to train on, in the order that the run's seed decides; and batches to validate on.

    ``each`` of the training's pictures ``beside`` are in every batch, see :class:`explanans.data.loading.EpochSampler`.
    """
    drawn = loader(
        augmented(training, transform),
        run.batch_size,
        shuffle=True,
        seed=run.seed,
        workers=run.num_workers,
        drop_last=True,
        beside=beside,
        each=each,
    )
    return drawn, loader(held_out, run.batch_size, workers=run.num_workers)


def facts_of(dataset: LabelledImages) -> dict[str, Any]:
    """What is recorded of a data set: its name, the number of images, and a hash of them."""
    return {"name": dataset.name, "images": len(dataset), "hash": dataset.fingerprint()}


def describe(purpose: str, dataset: LabelledImages) -> str:
    """A line for people: how many pictures, and how many of each class.

    Args:
        purpose: "training" or "validation".
    """
    counts = dict(zip(dataset.classes, dataset.labels.bool().sum(0).tolist(), strict=True))
    missing = [name for name, count in counts.items() if not count]
    by_count = sorted(((name, count) for name, count in counts.items() if count), key=lambda each: -each[1])
    if len(by_count) > MOST_SHOWN:
        half = MOST_SHOWN // 2
        shown = f"{_listed(by_count[:half])}, … {_listed(by_count[-half:])} ({len(by_count)} classes)"
    else:
        shown = _listed(by_count)
    parts = [f"{purpose}: {len(dataset):,} pictures of {dataset.name}"]
    parts += [shown] if shown else []
    unlabelled = int((~dataset.labels.bool().any(1)).sum())
    parts += [f"{unlabelled:,} without a label"] if unlabelled else []
    line = "; ".join(parts)
    if not missing:
        return line
    return f"{line}\n{purpose}: no picture of {few(missing, MOST_SHOWN)}"


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)
