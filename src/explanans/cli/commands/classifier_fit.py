"""Train a classifier on your pictures, or fine-tune one, so that it can be explained.

With weights to start from, a linear head is trained first and then the rest. What is saved also says how certain the
classifier is of a class on pictures that show nothing ("blank"): an explanation of one that is not near 0 there means
little.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.errors import InputError
from explanans.training import Run
from explanans.training.fit_classifier import FINE_TUNING, fit_classifier
from explanans.training.processes import is_first

PARTS = (
    Part(
        fit_classifier,
        names={"spec": "architecture"},
        without=("statistics", "trainer_options"),
        defaults={"optimizer": FINE_TUNING, "run": Run(max_epochs=10)},
    ),
)


def run(
    given: Given, mean: tuple[float, float, float] | None = None, std: tuple[float, float, float] | None = None
) -> int:
    """Train it.

    Args:
        mean: of the input per channel (black 0, white 1), if the weights want another than the architecture's own.
        std: standard deviation likewise; give both or neither.
    """
    if (mean is None) != (std is None):
        raise InputError(f"mean={mean}, std={std}; give both or neither.")
    # The defaults in the help are those for fine-tuning; random weights want another recipe, which the library knows.
    chosen = None if given["optimizer"] == FINE_TUNING else given["optimizer"]
    statistics = None if mean is None or std is None else (mean, std)
    folder = given.call(fit_classifier, statistics=statistics, optimizer=chosen)
    metrics = json.loads((folder / "explanandum.json").read_text(encoding="utf-8"))["metrics"]
    if is_first():
        say("  ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
        say(f"saved in {folder}; next: {following(given, folder)}")
    return 0


def following(given: Mapping[str, Any], folder: Path) -> str:
    """The command that trains an Explainer on the same pictures."""
    same = {name: given[name] for name in ("train_split", "validation", "validation_split")}
    defaults = {"train_split": "train", "validation": None, "validation_split": "val"}
    words = [f"--{name}={value}" for name, value in same.items() if value != defaults[name]]
    return shlex.join(["explanans", "fit", str(folder), str(given["data"]), *words])
