"""Train a surrogate for a classifier without gradients: an ONNX file, a service, any function.

The box is asked about whole and masked pictures, at most --calls of them; what it answers is kept, so an interrupted
run asks nothing twice. The surrogate learns to answer alike; how well it does on pictures that it never saw is printed
and saved with it. Then: explanans fit BOX DATA --surrogate OUT/surrogate. Receipts are asked of the box itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from explanans.classifiers.explanandum import Explanandum
from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.training import fit_surrogate
from explanans.training.fit_classifier import FINE_TUNING
from explanans.training.surrogates import Fidelity, Limits
from explanans.training.surrogates.fit_surrogate import RUN
from explanans.utils.tables import aligned

PARTS = (
    Part(Explanandum.load, names={"spec": "box"}, without=("weights",)),
    Part(fit_surrogate, without=("trainer_options",), defaults={"optimizer": FINE_TUNING, "run": RUN}),
)


def run(given: Given) -> int:
    box = given.call(Explanandum.load)
    chosen = None if given["optimizer"] == FINE_TUNING else given["optimizer"]
    folder, fidelity = given.call(fit_surrogate, box, optimizer=chosen)
    say(table(fidelity))
    if lowest := lowest_class(fidelity, box.classes):
        say(lowest)
    limits = Limits()
    say(f"wanted on masked pictures: agreement {limits.agreement:g}, rank correlation {limits.rank_correlation:g}")
    say(f"saved in {folder}; next: explanans fit {given['box']} {given['data']} --surrogate {folder}")
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
