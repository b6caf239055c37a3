"""The verdict at the end of a training: whether its masks are better than those that need no training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from explanans.explainers.explainer import Explainer
from explanans.training.curves import CURVES, read_curves
from explanans.training.held_out import Figures
from explanans.utils.numbers import check_count
from explanans.utils.records import Kind
from explanans.utils.tables import aligned

VERDICT = "verdict.json"
"""In the run folder."""

RECORD = Kind(
    "verdict",
    "delete it, and repeat the command that made it",
    {"better": bool, "says": str, "advice": list, "rows": dict, "pictures": int, "masks": int},
)

EXPLAINER = "Explainer"

CLEAR, LEAST = 2.0, 0.02
"""A difference is clear from so many standard errors on, and from so much on."""

MANY = 0.15
"""From this share of the masks on, it is worth a word that they fill the frame or are empty."""

FEW_PICTURES = 500
"""With fewer pictures to learn from, more of them are the first advice."""

ENOUGH_DRAWN = 10
"""From so many masks of drawn objects on, these decide."""

MEASURE = (
    "measure it where objects are drawn, explanans benchmark: the classifier's answers favour masks that were cut by "
    "asking it, as those of the others were, even where they miss the objects (docs/receipts.md)"
)
"""What the figures of a verdict cannot tell."""

HEADINGS = {
    "iou": "IoU",
    "score": "score",
    "kept": "kept",
    "removed": "removed",
    "elsewhere": "elsewhere",
    "area": "area",
    "grid": "GridPG",
    "full": "fill the frame",
    "empty": "empty",
    "holds": "hold",
}


@dataclass(frozen=True)
class Verdict:
    """A comparison of the trained Explainer with the methods that need no training.

    On held-out pictures and on montages of them (GridPG): the Explainer, the best method that needs no training, and
    Grad-CAM of the same classifier, cut as ``explanans explain`` does it. The classifier is asked about 100 times for
    each picture. Better means: clearly above every one of the others (by two standard errors of the paired differences,
    and by 0.02) in soft IoU with the objects, where at least ten masks are of objects that are drawn in the validation
    data. Elsewhere: in the score of the receipts or in GridPG, and in neither clearly below one.

    Args:
        images: of the validation data, evenly spaced; 0: no verdict.
    """

    images: int = 40

    def __post_init__(self) -> None:
        check_count("verdict.images", self.images, 0)


@dataclass(frozen=True)
class Circumstances:
    """What advice depends on, besides the figures.

    Attributes:
        epochs: how many were trained.
        still_falling: the validation loss was lowest in the last one.
        pictures: that were learned from.
        network: name of the mask network, or "".
        calibrated: whether masks were cut by a calibration.
    """

    epochs: int
    still_falling: bool
    pictures: int
    network: str
    calibrated: bool


def circumstances_of(folder: Path, pictures: int, explainer: Explainer) -> Circumstances:
    """Of a training of ``pictures`` pictures that ended in ``folder``."""
    losses = [row["val/loss"] for row in read_curves(folder / CURVES) if "val/loss" in row]
    calibration = explainer.facts.get("calibration")
    return Circumstances(
        epochs=len(losses),
        still_falling=len(losses) > 1 and losses[-1] == min(losses),
        pictures=pictures,
        network=explainer.network_name or "",
        calibrated=calibration is not None and not calibration["as_trained"],
    )


def difference(own: Sequence[float], other: Sequence[float]) -> int:
    """1 or −1 where paired values are clearly higher or lower on average, else 0; see :data:`CLEAR`."""
    pairs = [mine - theirs for mine, theirs in zip(own, other, strict=True)]
    if len(pairs) < 2:
        return 0
    mean, error = fmean(pairs), stdev(pairs) / math.sqrt(len(pairs))
    return 0 if abs(mean) < max(LEAST, CLEAR * error) else int(math.copysign(1, mean))


def judged(figures: Mapping[str, Figures], circumstances: Circumstances) -> dict[str, Any]:
    """The verdict on the maker called :data:`EXPLAINER`, beside all others.

    Returns:
        ``better``; ``says``: one sentence; ``advice``: what to try if it is not better; ``pictures``, ``masks``,
        ``montages`` and ``drawn`` (masks of objects that are drawn): how many; ``rows``: by maker the means of
        :meth:`explanans.training.held_out.Figures.means`.
    """
    rows = {name: each.means() for name, each in figures.items()}
    own = figures[EXPLAINER]
    others = {name: each for name, each in figures.items() if name != EXPLAINER}
    by_objects = len(own.overlaps) >= ENOUGH_DRAWN
    if by_objects:
        figures_of = {"IoU": {name: difference(own.overlaps, each.overlaps) for name, each in others.items()}}
    else:
        figures_of = {
            "score": {name: difference(own.scores, each.scores) for name, each in others.items()},
            "GridPG": {name: difference(own.grids, each.grids) for name, each in others.items()},
        }
    ahead = [name for name, signs in figures_of.items() if signs and min(signs.values()) > 0]
    behind = [name for name, signs in figures_of.items() if min(signs.values(), default=0) < 0]
    better = bool(ahead) and not behind
    says = _sentence(rows, list(figures_of), ahead, behind)
    return {
        "better": better,
        "says": says,
        "advice": [] if better else [*advice(rows, circumstances), *([] if by_objects else [MEASURE])],
        "pictures": own.pictures,
        "masks": len(own.receipts),
        "montages": len(own.grids),
        "drawn": len(own.overlaps),
        "rows": rows,
    }


def advice(rows: Mapping[str, Mapping[str, float | None]], circumstances: Circumstances) -> list[str]:
    """At most two things to try, the most promising first."""
    own = rows[EXPLAINER]
    full, empty = own["full"] or 0.0, own["empty"] or 0.0
    tips = []
    if full >= MANY:
        what = (
            "--calibration.images 0"
            if circumstances.calibrated
            else "a larger area_weight among --objective_options, or --calibration.images 60"
        )
        tips.append(f"{full:.0%} of the masks fill the frame: try {what}")
    if empty >= MANY:
        what = "--calibration.images 0" if circumstances.calibrated else "--calibration.images 60, which lowers the cut"
        tips.append(f"{empty:.0%} of the masks are empty: try {what}")
    if circumstances.still_falling:
        tips.append(f"the validation loss was still falling: train longer, --run.max_epochs {2 * circumstances.epochs}")
    if max(row["kept"] or 0.0 for row in rows.values()) < 0.5:
        tips.append(
            "no method's masks keep much: the classifier says little to a part of a picture; train it with hidden "
            "parts, explanans classifier fit --hidden 0.8 --blanks 0.125"
        )
    if circumstances.pictures < FEW_PICTURES:
        tips.append(f"{circumstances.pictures} pictures to learn from are few: give more")
    if circumstances.network == "trunk":
        tips.append("a network of its own learns more than a head on the classifier: --network copy")
    elif not tips:
        tips.append("another objective or network: docs/objectives.md")
    if not circumstances.calibrated and len(tips) < 2 and not full >= MANY and not empty >= MANY:
        tips.append("masks that are cut where the classifier says: --calibration.images 60")
    return tips[:2]


def told(verdict: Mapping[str, Any]) -> list[str]:
    """The table and what follows from it, as lines."""
    # What no row has, since no object is drawn or no montage can be made, is no column.
    shown = [figure for figure in HEADINGS if any(row[figure] is not None for row in verdict["rows"].values())]
    rows = [
        [name, *("–" if row[figure] is None else f"{row[figure]:.2f}" for figure in shown)]
        for name, row in verdict["rows"].items()
    ]
    drawn = f", {verdict['drawn']} of objects that are drawn" if verdict["drawn"] else ""
    about = f"{verdict['masks']} masks{drawn}, {verdict['montages']} montages"
    return [
        f"verdict on {verdict['pictures']} pictures: {about}",
        *aligned(["masks by", *(HEADINGS[figure] for figure in shown)], rows).splitlines(),
        verdict["says"],
        *(f"try: {tip}" for tip in verdict["advice"]),
    ]


def _sentence(
    rows: Mapping[str, Mapping[str, float | None]], judges: Sequence[str], ahead: Sequence[str], behind: Sequence[str]
) -> str:
    figures = {"IoU": "iou", "score": "score", "GridPG": "grid"}
    others = [name for name in rows if name != EXPLAINER]

    def beside(which: Sequence[str]) -> str:
        return " and ".join(
            f"{name} {rows[EXPLAINER][figures[name]]:.2f} against "
            + " and ".join(f"{rows[other][figures[name]]:.2f} of {other}" for other in others)
            for name in which
        )

    measured = [name for name in judges if rows[EXPLAINER][figures[name]] is not None]
    if not others or not measured:
        return "There is nothing to compare the Explainer with: no mask, or no method that needs no training."
    if ahead and not behind:
        how, which = "better than what needs no training", ahead
    elif ahead:
        how, which = "better in one thing and worse in another", measured
    else:
        how = f"{'worse than' if behind else 'not clearly better than'} what needs no training"
        which = behind or measured
    judge = "the objects that are drawn" if "IoU" in judges else "what the classifier answers"
    return f"By {judge}, the Explainer is {how}: {beside(which)}."
