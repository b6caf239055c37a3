"""Train an Explainer: the network that predicts a mask for every class of a classifier.

The run folder holds checkpoints, metrics.csv and TensorBoard events. The same command goes on where it was stopped.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import lightning
from jsonargparse import ArgumentParser

from explanans.classifiers.explanandum import Explanandum
from explanans.cli.options import add_function, class_list, plain_output
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.training import Calibration, Optimizer, Run
from explanans.training import fit as train_explainer
from explanans.training.processes import is_first


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, fit)


def fit(
    classifier: str,
    data: str,
    classes: str | None = None,
    activation: Literal["sigmoid", "softmax"] | None = None,
    preprocessing: Preprocessing | None = None,
    weights: str | None = None,
    trust_factory: bool = False,
    network: str = "deeplabv3_resnet50",
    encoder_weights: str | None = "published",
    train_split: str = "train",
    validation: str | None = None,
    validation_split: str = "val",
    augment: Literal["none", "flip", "turn", "crop"] = "flip",
    objective: str = "guided",
    objective_options: dict[str, Any] | None = None,
    surrogate: str | None = None,
    allow_poor_surrogate: bool = False,
    out: str = "runs/explainer",
    quiet: bool = False,
    optimizer: Optimizer = Optimizer(),  # noqa: B008
    run: Run = Run(),  # noqa: B008
    calibration: Calibration = Calibration(),  # noqa: B008
) -> int:
    """Parse and call.

    Args:
        classifier: A saved folder, timm:NAME, torchvision:NAME, hf:NAME, torchscript:FILE, package.module:factory, …
            (docs/classifiers.md).
        data: voc:PATH, voc:2007, coco:PATH, cub:PATH, scenes:PATH, folder:PATH (a sub-folder per class), table:PATH
            (CSV, Parquet) or a path alone; options follow a question mark (docs/data.md).
        classes: The classifier's classes where it does not know them: a file with one per line, or a,b,c.
        activation: sigmoid (multi-label) or softmax (single-label); null where the classifier knows.
        preprocessing: The classifier's input where it does not know it.
        weights: File with the classifier's weights; null for those that come with its name.
        trust_factory: Run code that comes with the classifier or its surrogate: a factory or function that a saved
            folder names, torchscript: and export: files.
        network: Mask network: trunk (a head on the classifier's own features), compact, light/ENCODER,
            deeplabv3_resnet50, unet/ENCODER, ...
        encoder_weights: published (ImageNet), explanandum (the classifier's own), a file, or null for random ones.
        train_split: Split to train on, or a part of it such as train[:90%].
        validation: Data set for validation, if it is another one.
        validation_split: Split to validate on.
        augment: Random changes of the training pictures.
        objective: What the masks are trained to do: guided, stalder2022 (the paper) or dabkowski2017 (RTIS).
        objective_options: Settings of the objective, such as --objective_options.area_weight 0.1.
        surrogate: Folder of the surrogate of a classifier without gradients; see docs/black-boxes.md.
        allow_poor_surrogate: Take a surrogate whatever its fidelity.
        out: Run folder; the Explainer is saved in its sub-folder explainer.
        quiet: Print nothing.
        optimizer: How the weights move.
        run: Length and machine.
        calibration: Where trained masks are cut, chosen by what the classifier says through them.
    """
    with plain_output(quiet):
        explanandum = Explanandum.load(
            classifier,
            classes=class_list(classes),
            activation=activation,
            preprocessing=preprocessing,
            weights=weights,
            trust_factory=trust_factory,
        )
        # The network's new parts are drawn when it is made.
        lightning.seed_everything(run.seed, workers=True, verbose=False)
        folder = train_explainer(
            Explainer(explanandum, network, encoder_weights=encoder_weights),
            data,
            validation=validation,
            train_split=train_split,
            validation_split=validation_split,
            objective=objective,
            objective_options=objective_options,
            augment=augment,
            optimizer=optimizer,
            run=replace(run, progress=run.progress and not quiet),
            calibration=calibration,
            surrogate=surrogate,
            allow_poor_surrogate=allow_poor_surrogate,
            trust_factory=trust_factory,
            out=out,
        )
        if is_first():
            print(f"saved in {folder}; next: explanans explain {folder} PICTURES --out explanations")
    return 0


run = fit
