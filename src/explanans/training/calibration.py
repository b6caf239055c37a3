"""Where a trained mask is cut, chosen by what the classifier says through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from explanans.data import LabelledImages, collate
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.refining import LARGEST, possible_enlargement
from explanans.explanations.word import fills_frame, is_empty
from explanans.ops.edge_cut import FARTHEST
from explanans.ops.masking import make_fill
from explanans.ops.refinement import enlarge
from explanans.training.asked_cuts import Asked, Cuts, against_outside, against_rivals
from explanans.training.cut_curve import CUTS, Point, best_cut, wider
from explanans.utils.devices import like
from explanans.utils.modes import evaluating
from explanans.utils.numbers import check_count, check_flag, check_number
from explanans.utils.progress import Progress

USUAL = 60
"""Images that the usual calibration of an Explainer with guides looks at."""

OUTSIDE = "at no cut do the masks keep more of their class than what they leave out"
RIVALS = "at no cut do the masks of a class keep more of it than those of other classes"


@dataclass(frozen=True)
class Calibration:
    """Sharpen trained masks around the cut that classifier and picture answer best.

    A network that learned from uncertain guides says grey where it should decide, and 1/2 need not be where the object
    ends. For a cut τ the picture is shown through [E_c(x) ≥ τ], the rest filled. ``gap``(τ), on average over the labels
    of the images, is, ``by``

    - "picture": √(S · B). S is the mean of max(k − r, 0) · (1 − √a), with k and r the probabilities of the class on
      what is kept and on what is removed, each over that on the whole picture and at most 1, and a the area: by itself
      it takes too much of thin things. B is the mean of :func:`explanans.ops.band_contrast.band_contrast`, how much
      the picture changes where the mask ends: by itself it takes too little of large things. The best cut is taken.
    - "rivals": what the masks of the labels keep of their class, minus what masks of other classes let through of it,
      in the classifier's own probabilities. The cut is the highest one whose gap is within ``tolerance`` of the best:
      the smallest masks that do as well.

    Then E becomes ``sharpness`` · (E − cut), which keeps the order of the pixels. No segmentation is asked. One cut for
    all pictures is right on average: by "picture" each mask that is asked for afterwards gives up what belongs to
    another class that the classifier sees (:func:`explanans.ops.contest.contested`), is carried along the classifier's
    features (:class:`explanans.explainers.refining.Refinement`), and cut up to ``reach`` beside, where its own picture
    changes (:func:`explanans.ops.edge_cut.moved_to_edges`).

    A classifier may like more of the picture the better, or nothing at all. So a cut that makes more of the masks fill
    the frame or empty than the masks as trained is not taken, the grid is widened where the best cut is its last, and
    where there is still none, or where no gap is above 0, the masks stay as trained
    (:mod:`explanans.training.cut_curve`).

    Args:
        images: how many images it looks at, the first ones of the validation data that have a label; 0: no calibration;
            null: 60 for an objective with guides, none for others.
        by: "picture" or "rivals".
        sharpness: above 0; 4 brings a logit of 1/2 beyond the cut to 0.88.
        reach: in logits as they were trained, at least 0, of "picture"; 0: one cut for all pictures.
        refine: enlargement of a picture for the features that its masks are carried along, of "picture"; 1 for
            classifiers that take one size, whatever is said here; 0: masks as the network makes them.
        compete: let the masks of classes that are seen together compete for their places, of "picture".
        tolerance: in [0, 1], of "rivals".
        rivals: how many other classes' masks are tried for each label.
        fill: what hidden pixels become, see :func:`explanans.ops.masking.make_fill`.
    """

    images: int | None = None
    by: Literal["picture", "rivals"] = "picture"
    sharpness: float = 4.0
    reach: float = 1.5
    refine: float = 1.43
    compete: bool = True
    tolerance: float = 0.01
    rivals: int = 5
    fill: str = "blur"

    def __post_init__(self) -> None:
        if self.images is not None:
            check_count("calibration.images", self.images, 0)
        if self.by not in ("picture", "rivals"):
            raise InputError(f"calibration.by={self.by!r} is not known; take picture or rivals.")
        check_count("calibration.rivals", self.rivals)
        check_number("calibration.sharpness", self.sharpness, above=True)
        check_number("calibration.reach", self.reach, 0, FARTHEST)
        check_number("calibration.refine", self.refine, 0, LARGEST)
        check_flag("calibration.compete", self.compete)
        check_number("calibration.tolerance", self.tolerance, 0, 1)


def calibrate(
    explainer: Explainer,
    dataset: LabelledImages,
    calibration: Calibration,
    *,
    seed: int = 0,
    batch_size: int = 64,
    progress: bool = False,
) -> dict[str, Any]:
    """Choose ``explainer.scale``, ``shift``, ``reach``, ``refine`` and ``compete``, see :class:`Calibration`.

    The network stays as it is.

    Args:
        explainer: trained; an earlier calibration is replaced.
        dataset: labelled images that the classifier's input is made from.
        seed: of the classes that are drawn as rivals, and of a fill that draws.
        batch_size: masked images in one forward pass.
        progress: say how far it is.

    Returns:
        for the facts: ``cut``, ``sharpness``, ``reach``, ``refine`` and ``compete`` (0, 1, 0, 0 and False where the
        masks stay ``as_trained``), ``images``, ``data``;
        ``by``; by cut the ``gaps``, ``areas``, ``full`` and ``empty`` of :class:`~explanans.training.cut_curve.Point`;
        ``remark``: what was refused and why, or "".

    Raises:
        InputError: no image has a label.
    """
    labelled = first_labelled(dataset, USUAL if calibration.images is None else calibration.images)
    tolerance, nothing = (calibration.tolerance, RIVALS) if calibration.by == "rivals" else (0.0, OUTSIDE)
    curve: list[Point] = []
    new: list[float] = list(CUTS)
    while new:
        curve += _measured(explainer, dataset, labelled, calibration, new, seed, batch_size, progress)
        curve.sort(key=lambda point: point.cut)
        cut, remark = best_cut(curve, tolerance, nothing)
        new = wider(curve, tolerance)
    if cut in (curve[0].cut, curve[-1].cut):
        cut, remark = None, f"the best of all cuts, {cut:g}, is the last that was tried"
    sharpness = 1.0 if cut is None else calibration.sharpness
    reach, refine, compete = 0.0, 0.0, False
    if calibration.by == "picture" and cut is not None:
        reach, compete = calibration.reach, calibration.compete
        refine = possible_enlargement(explainer.explanandum, calibration.refine)
    explainer.calibrate(sharpness, 0.0 if cut is None else -cut, reach, refine, compete)

    def by_cut(name: str) -> dict[str, float]:
        return {f"{point.cut:g}": round(getattr(point, name), 4) for point in curve}

    return {
        "cut": cut or 0.0,
        "sharpness": sharpness,
        "reach": reach,
        "refine": refine,
        "compete": explainer.competes,
        "by": calibration.by,
        "images": len(labelled),
        "data": dataset.name,
        "gaps": by_cut("gap"),
        "areas": by_cut("area"),
        "full": by_cut("full"),
        "empty": by_cut("empty"),
        "as_trained": cut is None,
        "remark": remark,
    }


def first_labelled(dataset: LabelledImages, count: int) -> list[int]:
    """Positions of the first ``count`` images that have a label.

    Raises:
        InputError: none has.
    """
    labelled = dataset.labels.bool().any(1).nonzero().flatten().tolist()[:count]
    if not labelled:
        raise InputError(f"calibration: no image of {dataset.name} has a label; validate on labelled images.")
    return labelled


def _measured(
    explainer: Explainer,
    dataset: LabelledImages,
    labelled: Sequence[int],
    calibration: Calibration,
    cuts: Sequence[float],
    seed: int,
    batch_size: int,
    progress: bool,
) -> list[Point]:
    generator = torch.Generator().manual_seed(seed)
    bar = Progress("calibrating", len(labelled), unit="pictures", show=progress)
    with torch.no_grad(), evaluating(explainer), bar:
        asked = [
            _tried(explainer, dataset, index, calibration, cuts, generator, batch_size) for index in bar.over(labelled)
        ]
    gap, area = torch.cat([each.answers for each in asked]).mean(0), torch.cat([each.shares for each in asked])
    contrasts = [each.contrasts for each in asked if each.contrasts is not None]
    if contrasts:
        gap = (gap * torch.cat(contrasts).mean(0)).sqrt()
    columns = [gap, area.mean(0), fills_frame(area).double().mean(0), is_empty(area).double().mean(0)]
    return [Point(*row) for row in zip(cuts, *(column.tolist() for column in columns), strict=True)]


def _tried(
    explainer: Explainer,
    dataset: LabelledImages,
    index: int,
    calibration: Calibration,
    cuts: Sequence[float],
    generator: torch.Generator,
    batch_size: int,
) -> Asked:
    explanandum = explainer.explanandum
    batch = collate([dataset[index]])
    image, present = batch["image"].to(like(explainer.network)), batch["labels"][0].bool()
    own, others = present.nonzero().flatten(), (~present).nonzero().flatten()
    rivals = calibration.rivals if calibration.by == "rivals" else 0
    others = others[torch.randperm(len(others), generator=generator)[:rivals]]
    columns = torch.cat([own, others]).to(image.device)
    masks = Cuts(enlarge(explainer.network(image)[:, columns], image.shape[-2:])[0], cuts)
    hidden = make_fill(calibration.fill, explanandum.preprocessing)(
        image, torch.Generator(image.device).manual_seed(index)
    )
    if calibration.by == "picture":
        return against_outside(explanandum, image, masks, columns, hidden, batch_size)
    return against_rivals(explanandum, image, masks, columns, len(own), hidden, batch_size)
