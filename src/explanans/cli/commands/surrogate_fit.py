"""Train a surrogate for a classifier without gradients: an ONNX file, a service, any function.

The box is asked about whole and masked pictures, at most --calls of them; what it answers is kept, so an interrupted
run asks nothing twice. The surrogate learns to answer alike; how well it does on pictures that it never saw is printed
and saved with it. Then: explanans fit BOX DATA --surrogate OUT/surrogate. Receipts are asked of the box itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from jsonargparse import ArgumentParser

from explanans.classifiers.explanandum import Explanandum
from explanans.cli.options import add_function, class_list, plain_output
from explanans.images.preprocessing import Preprocessing
from explanans.training import Optimizer, Run, fit_surrogate
from explanans.training.classifier import FINE_TUNING, FROM_SCRATCH
from explanans.training.surrogates import Fidelity, Limits
from explanans.training.surrogates.fit import RUN
from explanans.utils.tables import aligned


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, surrogate_fit)


def surrogate_fit(
    box: str,
    data: str,
    calls: int = 20_000,
    held_out_calls: int | None = None,
    classes: str | None = None,
    activation: Literal["sigmoid", "softmax"] | None = None,
    preprocessing: Preprocessing | None = None,
    trust_factory: bool = False,
    architecture: str = "timm:mobilenetv2_100",
    weights: str | None = "published",
    arguments: dict[str, Any] | None = None,
    train_split: str = "train",
    validation: str | None = None,
    validation_split: str = "val",
    ask_batch_size: int = 32,
    answers: str | None = None,
    out: str = "runs/surrogate",
    quiet: bool = False,
    optimizer: Optimizer = FINE_TUNING,
    run: Run = RUN,
) -> int:
    """Parse and call.

    Args:
        box: The classifier: onnx:FILE, function:package.module:name, or any other; see docs/classifiers.md.
        data: Pictures like those that are to be explained; a data set as for fit. Labels are not used.
        calls: How many pictures the box answers in all; never more.
        held_out_calls: How many of them to measure fidelity on; null for a tenth.
        classes: The box's classes where it does not know them: a file with one per line, or a,b,c.
        activation: sigmoid (multi-label) or softmax (single-label); null where the box knows.
        preprocessing: The box's input where it does not know it.
        trust_factory: Run the code that a saved folder names, torchscript: and export: files.
        architecture: Of the surrogate: timm:NAME, torchvision:NAME, explanans:small_resnet or package.module:factory.
        weights: What the surrogate starts from: published (ImageNet), a file, or null to train from scratch.
        arguments: More settings of the architecture.
        train_split: Split to ask about, or a part of it.
        validation: Data set for the held-out pictures, if it is another one.
        validation_split: Split to measure fidelity on.
        ask_batch_size: Pictures per call of the box.
        answers: Folder that keeps what the box answered, such as that of an earlier run; null for OUT/answers.
        out: Run folder; the surrogate is saved in its sub-folder surrogate.
        quiet: Print nothing.
        optimizer: How the weights move.
        run: Length and machine.
    """
    recipe = FROM_SCRATCH if weights is None and optimizer == FINE_TUNING else optimizer
    with plain_output(quiet):
        asked = Explanandum.load(
            box,
            classes=class_list(classes),
            activation=activation,
            preprocessing=preprocessing,
            trust_factory=trust_factory,
        )
        folder, fidelity = fit_surrogate(
            asked,
            data,
            calls=calls,
            held_out_calls=held_out_calls,
            architecture=architecture,
            weights=weights,
            arguments=arguments,
            validation=validation,
            train_split=train_split,
            validation_split=validation_split,
            optimizer=recipe,
            run=replace(run, progress=run.progress and not quiet),
            ask_batch_size=ask_batch_size,
            answers=answers,
            out=out,
        )
        print(table(fidelity))
        if lowest := lowest_class(fidelity, asked.classes):
            print(lowest)
        limits = Limits()
        print(
            f"wanted on masked pictures: agreement {limits.agreement:g}, rank correlation {limits.rank_correlation:g}"
        )
        print(f"saved in {folder}; next: explanans fit {box} {data} --surrogate {folder}")
    return 0


def table(fidelity: Fidelity) -> str:
    rows = []
    for name, each in (("whole", fidelity.whole), ("masked", fidelity.masked)):
        figures = each.agreement, each.constant, each.divergence, each.rank_correlation
        formats = ".3f", ".3f", ".4f", ".3f"
        rows.append([name, str(each.pictures), *map(format, figures, formats)])
    return aligned(["held-out pictures", "number", "agreement", "constant", "KL (nats)", "rank correlation"], rows)


def lowest_class(fidelity: Fidelity, classes: Sequence[str]) -> str:
    """The class whose probability the surrogate orders worst on masked pictures; empty where nothing is known."""
    pairs = zip(fidelity.masked.by_class, classes, strict=True)
    known = [(value, name) for value, name in pairs if value is not None]
    if not known:
        return ""
    value, name = min(known)
    return f"lowest rank correlation on masked pictures: {name} {value:.3f} ({len(known)} classes)"


run = surrogate_fit
