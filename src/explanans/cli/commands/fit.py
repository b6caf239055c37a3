"""Train an Explainer: the network that predicts a mask for every class of a classifier.

The run folder holds checkpoints, metrics.csv and TensorBoard events. The same command goes on where it was stopped.
"""

from __future__ import annotations

import lightning

from explanans.classifiers.explanandum import Explanandum
from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.explainers.explainer import Explainer
from explanans.training import fit, newcomer
from explanans.training.processes import is_first

PARTS = (
    Part(Explanandum.load, names={"spec": "classifier"}),
    Part(Explainer),
    Part(fit, without=("trainer_options",), defaults={"optimizer": newcomer.OPTIMIZER, "run": newcomer.RUN}),
)


def run(given: Given) -> int:
    explanandum = given.call(Explanandum.load)
    # Before the network, whose new parts are drawn.
    lightning.seed_everything(given["run"].seed, workers=True, verbose=False)
    folder = given.call(fit, given.call(Explainer, explanandum))
    if is_first():
        say(f"saved in {folder}; next: explanans explain {folder} PICTURES --out explanations")
    return 0
