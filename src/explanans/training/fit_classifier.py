"""Train the classifier that is then explained: from ImageNet's weights or from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from torch import nn

from explanans.classifiers.class_names import read_classes
from explanans.classifiers.explanandum import ACTIVATIONS, Activation
from explanans.data import LabelledImages, loader, open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.training.augmentation import Augmentation, augmentation
from explanans.training.backbone import HALF, Colour, find_head, freeze_before, new_classifier
from explanans.training.claim import LAST, check_run_folder
from explanans.training.classification import ClassifierTraining, validate
from explanans.training.linear_head import fit_head, head_features
from explanans.training.opened_splits import describe, facts_of, loaders, open_splits
from explanans.training.optimizer import Optimizer
from explanans.training.precision import choose_precision
from explanans.training.processes import is_first, once
from explanans.training.run_settings import Run
from explanans.training.runs import train
from explanans.training.sharing import on_free_cores
from explanans.training.watch import announce, size_of
from explanans.utils.numbers import check_count, check_number
from explanans.utils.progress import Progress

SAVED = "classifier"
BLANKS, HIDDEN = 0.25, 0.5
MONITORS = {"f1_micro": "max", "loss": "min"}
FINE_TUNING = Optimizer(1e-4, weight_decay=0.05, schedule="cosine", ema_decay=0.99, freeze_statistics=True)
FROM_SCRATCH = Optimizer(3e-3, weight_decay=0.05, schedule="cosine", ema_decay=0.99)


@on_free_cores
def fit_classifier(
    spec: str,
    data: str | Path | LabelledImages,
    *,
    classes: Sequence[str] | str | Path | None = None,
    size: int | None = None,
    weights: str | Path | None = "published",
    arguments: Mapping[str, Any] | None = None,
    statistics: tuple[Colour, Colour] | None = None,
    activation: Activation = "sigmoid",
    validation: str | Path | LabelledImages | None = None,
    train_split: str = "train",
    validation_split: str = "val",
    head_epochs: int = 100,
    freeze_backbone: bool = False,
    trainable_from: str | None = None,
    augment: Augmentation = "crop",
    blanks: float | None = None,
    hidden: float | None = None,
    hidden_largest: float = 0.5,
    monitor: Literal["f1_micro", "loss"] = "f1_micro",
    optimizer: Optimizer | None = None,
    run: Run | None = None,
    out: str | Path = "runs/classifier",
    trainer_options: Mapping[str, Any] | None = None,
) -> Path:
    """Train a classifier and save it as an Explanandum.

    With weights to start from, first a linear head is trained on cached features and then the whole network or its
    last part (linear probing, then fine-tuning: Kumar et al., ICLR 2022). The epoch that is best by ``monitor`` is
    kept.

    Args:
        spec: ``timm:NAME``, ``torchvision:NAME``, with settings if wanted (``timm:NAME?pad_type=same``),
            ``explanans:small_resnet`` or ``package.module:factory``.
        data: a data set or its name: ``voc:PATH``, ``voc:2007``, ``coco:PATH``, ``cub:PATH``, ``scenes:PATH``,
            ``folder:PATH`` (a sub-folder per class), ``table:PATH`` (CSV, Parquet) or a path alone; options follow a
            question mark (docs/data.md).
        classes: C names, ``a,b,c`` or a file with one per line; None for all that the data has.
        size: side of the input in pixels; None takes the architecture's own.
        weights: "published" (ImageNet), a file, or None for random ones.
        arguments: more settings of the architecture, such as ``{pad_type: same}``.
        statistics: mean and std of the input, per channel, where the weights want others than the architecture's own.
        activation: "sigmoid" (multi-label) or "softmax" (exactly one class per image).
        validation: where ``validation_split`` is taken from; by default ``data``.
        train_split, validation_split: a split, with or without a part of it ("train[:90%]").
        head_epochs: epochs over the cached features, seconds in all; 0, or weights=None, leaves this out.
        freeze_backbone: train nothing but the head (the paper).
        trainable_from: name of the first part that is fine-tuned ("blocks.4", "layer4"); None fine-tunes everything.
        augment: random changes of the training pictures: "none", "flip" (left and right), "turn" (by quarters too) or
            "crop" (and colours); see :func:`explanans.training.augmentation.augmentation`.
        blanks: pictures with nothing on them, labelled "no class", for each picture of a batch. Without them a
            classifier may be certain of a class on plain grey, and what it says about masked pictures means little.
            None: 0.25 for "sigmoid"; 0 for "softmax", which cannot say "no class".
        hidden: share of the pictures in which random cells of a 7×7 grid are hidden, for the same reason. None: 0.5 for
            "sigmoid", 0 for "softmax".
        hidden_largest: up to so large a share of the cells. More makes the classifier's answer to what a mask keeps
            nearer its answer to the whole picture.
        monitor: what the validation is judged by, for early stopping and for the best epoch: "f1_micro" (higher is
            better), or "loss" (lower is better; the paper). ``min_delta`` of ``run`` is a difference of this.
        optimizer, run: how the weights move; length, machine, seed, resume. None: a recipe for fine-tuning or, with
            weights=None, for training from scratch.
        out: the run folder; the classifier is saved in its sub-folder ``classifier``.
        trainer_options: anything else for Lightning's Trainer.

    Returns:
        the folder of the saved classifier; its ``explanandum.json`` has the scores on the validation split.

    Raises:
        InputError: data, architecture or run folder do not fit.
        TrainingDiverged: the loss became NaN.
    """
    run = run or Run()
    check_run_folder(out)
    optimizer = optimizer or (FROM_SCRATCH if weights is None else FINE_TUNING)
    blanks, hidden = _check_blanks(activation, blanks, hidden)
    check_number("hidden_largest", hidden_largest, 0, 1, above=True)
    check_count("head_epochs", head_epochs, 0)
    if size is not None:
        check_count("size", size)
    if monitor not in MONITORS:
        raise InputError(f"monitor={monitor!r}; take one of {sorted(MONITORS)}.")
    _check_parts(weights, optimizer, freeze_backbone, trainable_from)
    wanted = None if classes is None else read_classes(classes)
    lightning.seed_everything(run.seed, workers=True, verbose=False)
    names = wanted or _classes_of(data, train_split)
    module, source, preprocessing = new_classifier(
        spec, len(names), weights, size, arguments=arguments, statistics=statistics
    )

    transform = augmentation(augment, preprocessing)
    training, held_out = open_splits(
        data, validation, train_split, validation_split, classes=names, preprocessing=preprocessing, run=run
    )
    if activation == "softmax":
        for argument, dataset in (("data", training), ("validation", held_out)):
            check_single_labels(argument, dataset)
    facts = {
        "data": {"training": facts_of(training), "validation": facts_of(held_out)},
        "training": {
            "weights": None if weights is None else str(weights),
            "head_epochs": head_epochs,
            "freeze_backbone": freeze_backbone,
            "trainable_from": trainable_from,
            "augment": augment,
            "blanks": blanks,
            "hidden": hidden,
            "hidden_largest": hidden_largest,
            "monitor": monitor,
            "optimizer": asdict(optimizer),
        },
    }
    described = {"classes": names, "activation": activation, "preprocessing": preprocessing.to_dict()}
    announce(
        run,
        describe("training", training),
        describe("validation", held_out),
        f"network: {spec}, {size_of(module)}; {activation} over {len(names)} classes",
    )
    if weights is not None and head_epochs and not (Path(out) / LAST).exists():
        _probe(module, training, activation, head_epochs, run)
    if freeze_backbone or trainable_from is not None:
        freeze_before(module, trainable_from or find_head(module, len(names))[0])
    trained = ClassifierTraining(
        module,
        num_classes=len(names),
        activation=activation,
        preprocessing=preprocessing,
        optimizer=optimizer,
        blanks=blanks,
        hidden=hidden,
        hidden_largest=hidden_largest,
        seed=run.seed,
        channels_last=run.channels_last,
    )
    train(
        trained,
        *loaders(training, held_out, transform, run),
        out,
        run,
        {"source": source.to_dict(), **described, **facts},
        what="training the classifier",
        monitor=f"val/{monitor}",
        mode=MONITORS[monitor],
        trainer_options=trainer_options,
    )
    explanandum = trained.explanandum(names, source)
    metrics = validate(explanandum, held_out, run.batch_size, progress=run.progress and is_first())
    saved = Path(out) / SAVED
    once(trained.trainer, lambda: explanandum.save(saved, metrics=metrics, seed=run.seed, **facts))
    return saved


def _probe(module: nn.Module, dataset: LabelledImages, activation: Activation, epochs: int, run: Run) -> None:
    """Train the head on cached features, where the backbone is as it came."""
    accelerated = run.accelerator != "cpu" and torch.accelerator.is_available()
    device = (torch.accelerator.current_accelerator() if accelerated else None) or torch.device("cpu")
    module.to(device)
    if run.channels_last:
        module.to(memory_format=torch.channels_last)
    _, head = find_head(module, len(dataset.classes))
    precision = torch.autocast(
        device.type, torch.bfloat16, enabled="bf16" in choose_precision(run.precision, run.accelerator)
    )
    pictures = loader(dataset, max(32, run.batch_size), workers=run.num_workers)
    show = run.progress and is_first()
    with Progress("what the head sees", len(pictures), unit="batches", show=show) as progress:
        features, labels = head_features(module, head, progress.over(pictures), precision)
    with Progress("training the head", epochs, unit="epochs", show=show) as progress:
        fit_head(head, features, labels, activation, epochs=epochs, seed=run.seed, told=progress.advance)
    module.cpu()


def _classes_of(data: str | Path | LabelledImages, split: str) -> tuple[str, ...]:
    if isinstance(data, LabelledImages):
        return data.classes
    # Which classes there are does not depend on the size of the pictures, of which none is read here.
    return open_dataset(data, split, preprocessing=Preprocessing(32, HALF, HALF)).classes


def _check_blanks(activation: Activation, blanks: float | None, hidden: float | None) -> tuple[float, float]:
    if activation not in ACTIVATIONS:
        raise InputError(f"activation={activation!r}; take 'sigmoid' (multi-label) or 'softmax' (single-label).")
    multi_label = activation == "sigmoid"
    blanks = BLANKS * multi_label if blanks is None else blanks
    hidden = HIDDEN * multi_label if hidden is None else hidden
    if check_number("blanks", blanks, 0, 1) and not multi_label:
        raise InputError(
            f"blanks={blanks} with activation={activation!r}; give blanks=0 for 'softmax', which cannot say that there "
            "is no class."
        )
    return blanks, check_number("hidden", hidden, 0, 1)


def _check_parts(
    weights: str | Path | None, optimizer: Optimizer, freeze_backbone: bool, trainable_from: str | None
) -> None:
    partial = freeze_backbone or trainable_from is not None or optimizer.freeze_statistics
    if weights is None and partial:
        raise InputError(
            "weights=None with freeze_backbone, trainable_from or freeze_statistics: random weights would stay random. "
            "Train everything, or name weights."
        )
    if freeze_backbone and trainable_from is not None:
        raise InputError(f"freeze_backbone and trainable_from={trainable_from!r} exclude each other; give one.")


def check_single_labels(argument: str, dataset: LabelledImages) -> None:
    if len(dataset.classes) < 2:
        raise InputError(
            f"{argument}: has the only class {dataset.classes[0]!r}, of which activation='softmax' is always certain; "
            "take activation='sigmoid', or data with at least two classes."
        )
    several = (dataset.labels.sum(1) != 1).nonzero()
    if len(several):
        index = int(several[0])
        raise InputError(
            f"{argument}: image {dataset.names[index]} has {int(dataset.labels[index].sum())} classes, and "
            "activation='softmax' wants exactly one per image; take activation='sigmoid'."
        )
