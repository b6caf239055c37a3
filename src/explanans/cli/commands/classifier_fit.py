"""Train a classifier on your pictures, or fine-tune one, so that it can be explained.

With weights to start from, a linear head is trained first and then the rest. What is saved also says how certain the
classifier is of a class on pictures that show nothing ("blank"): an explanation of one that is not near 0 there means
little.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal

from jsonargparse import ArgumentParser

from explanans.cli.options import add_function, class_list, plain_output
from explanans.errors import InputError
from explanans.training.classifier import FINE_TUNING, FROM_SCRATCH, fit_classifier
from explanans.training.optimizer import Optimizer
from explanans.training.processes import is_first
from explanans.training.run_settings import Run


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, classifier_fit)


def classifier_fit(
    architecture: str,
    data: str,
    classes: str | None = None,
    activation: Literal["sigmoid", "softmax"] = "sigmoid",
    size: int | None = None,
    weights: str | None = "published",
    arguments: dict[str, Any] | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    train_split: str = "train",
    validation: str | None = None,
    validation_split: str = "val",
    head_epochs: int = 100,
    freeze_backbone: bool = False,
    trainable_from: str | None = None,
    augment: Literal["none", "flip", "turn", "crop"] = "crop",
    blanks: float | None = None,
    hidden: float | None = None,
    hidden_largest: float = 0.5,
    out: str = "runs/classifier",
    quiet: bool = False,
    monitor: Literal["f1_micro", "loss"] = "f1_micro",
    optimizer: Optimizer = FINE_TUNING,
    run: Run = Run(max_epochs=10),  # noqa: B008
) -> int:
    """Parse and call.

    Args:
        architecture: timm:NAME, torchvision:NAME, explanans:small_resnet or package.module:factory.
        data: voc:PATH, voc:2007, coco:PATH, cub:PATH, scenes:PATH, folder:PATH (a sub-folder per class), table:PATH
            (CSV, Parquet) or a path alone; options follow a question mark (docs/data.md).
        classes: A file with one class per line, or names separated by commas; null for all in the data.
        activation: sigmoid for multi-label data, softmax for exactly one class per picture.
        size: Side of the classifier's input in pixels; null for the architecture's own.
        weights: published (ImageNet), a file (.safetensors or a state dict), or null to train from scratch.
        arguments: More settings of the architecture, such as --arguments.pad_type same.
        mean: Mean of the input per channel (black 0, white 1) if the weights want another than the architecture's own.
        std: Standard deviation likewise; give both or neither.
        train_split: Split to train on, or a part of it such as train[:90%].
        validation: Data set for validation, if it is another one.
        validation_split: Split to validate on.
        head_epochs: Epochs of the linear head on cached features (seconds); 0 leaves this step out.
        freeze_backbone: Train nothing but the head.
        trainable_from: First part of the network that is fine-tuned, such as blocks.4; null for all of it.
        augment: Random changes of the training pictures.
        blanks: Empty pictures, labelled "no class", per picture; null for 0.25 (sigmoid) or 0 (softmax).
        hidden: Share of the pictures with random hidden cells; null for 0.5 (sigmoid) or 0 (softmax).
        hidden_largest: Up to this share of a picture's cells is hidden.
        out: Run folder; the classifier is saved in its sub-folder classifier.
        quiet: Print nothing.
        monitor: What the validation is judged by, for early stopping and for the epoch that is kept.
        optimizer: How the weights move.
        run: Length and machine.
    """
    if (mean is None) != (std is None):
        raise InputError(f"mean={mean}, std={std}; give both or neither.")
    # The defaults in the help are those for fine-tuning; random weights want another recipe.
    recipe = FROM_SCRATCH if weights is None and optimizer == FINE_TUNING else optimizer
    with plain_output(quiet):
        folder = fit_classifier(
            architecture,
            data,
            classes=class_list(classes),
            size=size,
            weights=weights,
            arguments=arguments,
            statistics=None if mean is None or std is None else (mean, std),
            activation=activation,
            validation=validation,
            train_split=train_split,
            validation_split=validation_split,
            head_epochs=head_epochs,
            freeze_backbone=freeze_backbone,
            trainable_from=trainable_from,
            augment=augment,
            blanks=blanks,
            hidden=hidden,
            hidden_largest=hidden_largest,
            monitor=monitor,
            optimizer=recipe,
            run=replace(run, progress=run.progress and not quiet),
            out=out,
        )
        metrics = json.loads((folder / "explanandum.json").read_text(encoding="utf-8"))["metrics"]
        if is_first():
            print("  ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
            print(f"saved in {folder}; next: explanans fit {folder} {data}")
    return 0


run = classifier_fit
