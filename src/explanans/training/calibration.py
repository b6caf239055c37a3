"""Where a trained mask is cut, chosen by what the classifier says through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from explanans.data import LabelledImages, collate
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explanations.word import fills_frame, is_empty
from explanans.ops.masking import apply_mask, make_fill
from explanans.ops.refinement import enlarge
from explanans.training.cut_curve import CUTS, Point, best_cut, wider
from explanans.utils.devices import like
from explanans.utils.modes import evaluating
from explanans.utils.numbers import check_count, check_number
from explanans.utils.progress import Progress


@dataclass(frozen=True)
class Calibration:
    """Sharpen trained masks around the cut that the classifier answers best.

    A network that learned from uncertain guides says grey where it should decide, and 1/2 need not be where the object
    ends. For a cut τ the picture is shown through [E_c(x) ≥ τ], the rest filled. ``gap``(τ) is what the masks of the
    labels keep of their class, minus what masks of other classes let through of it, in the classifier's own
    probabilities, on average over the labels of the images. The cut is the highest one whose gap is within
    ``tolerance`` of the best: the smallest masks that do as well. Then E becomes ``sharpness`` · (E − cut), which keeps
    the order of the pixels. No segmentation is asked.

    A classifier may like more of the picture the better, or nothing at all. So a cut that makes more of the masks fill
    the frame or empty than the masks as trained is not taken, the grid is widened where the best cut is its last, and
    where there is still none, or where the masks do not tell classes apart at any cut, the masks stay as trained
    (:mod:`explanans.training.cut_curve`).

    Args:
        images: how many images it looks at, the first ones of the validation data that have a label; 0: no calibration.
        sharpness: above 0; 4 brings a logit of 1/2 beyond the cut to 0.88.
        tolerance: in [0, 1].
        rivals: how many other classes' masks are tried for each label.
        fill: what hidden pixels become, see :func:`explanans.ops.masking.make_fill`.
    """

    images: int = 0
    sharpness: float = 4.0
    tolerance: float = 0.01
    rivals: int = 5
    fill: str = "mean"

    def __post_init__(self) -> None:
        check_count("calibration.images", self.images, 0)
        check_count("calibration.rivals", self.rivals)
        check_number("calibration.sharpness", self.sharpness, above=True)
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
    """Choose ``explainer.scale`` and ``explainer.shift``, see :class:`Calibration`; the network stays as it is.

    Args:
        explainer: trained; an earlier calibration is replaced.
        dataset: labelled images that the classifier's input is made from.
        seed: of the classes that are drawn as rivals, and of a fill that draws.
        batch_size: masked images in one forward pass.
        progress: say how far it is.

    Returns:
        for the facts: ``cut`` and ``sharpness`` (0 and 1 where the masks stay ``as_trained``), ``images``, ``data``;
        by cut the ``gaps``, ``areas``, ``full`` and ``empty`` of :class:`~explanans.training.cut_curve.Point`;
        ``remark``: what was refused and why, or "".

    Raises:
        InputError: no image has a label.
    """
    labelled = first_labelled(dataset, calibration.images)
    curve: list[Point] = []
    new: list[float] = list(CUTS)
    while new:
        curve += _measured(explainer, dataset, labelled, calibration, new, seed, batch_size, progress)
        curve.sort(key=lambda point: point.cut)
        cut, remark = best_cut(curve, calibration.tolerance)
        new = wider(curve, calibration.tolerance)
    if cut in (curve[0].cut, curve[-1].cut):
        cut, remark = None, f"the best of all cuts, {cut:g}, is the last that was tried"
    sharpness = 1.0 if cut is None else calibration.sharpness
    explainer.calibrate(sharpness, 0.0 if cut is None else -cut)

    def by_cut(name: str) -> dict[str, float]:
        return {f"{point.cut:g}": round(getattr(point, name), 4) for point in curve}

    return {
        "cut": cut or 0.0,
        "sharpness": sharpness,
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
    gaps, shares = [], []
    bar = Progress("calibrating", len(labelled), unit="pictures", show=progress)
    with torch.no_grad(), evaluating(explainer), bar:
        for index in bar.over(labelled):
            found = _tried(explainer, dataset, index, calibration, cuts, generator, batch_size)
            gaps.append(found[0])
            shares.append(found[1])
    gap, area = torch.cat(gaps), torch.cat(shares)
    columns = [gap.mean(0), area.mean(0), fills_frame(area).double().mean(0), is_empty(area).double().mean(0)]
    return [Point(*row) for row in zip(cuts, *(column.tolist() for column in columns), strict=True)]


def _tried(
    explainer: Explainer,
    dataset: LabelledImages,
    index: int,
    calibration: Calibration,
    cuts: Sequence[float],
    generator: torch.Generator,
    batch_size: int,
) -> tuple[Tensor, Tensor]:
    """(labels of the image, cuts): kept minus let through, and the share of pixels inside."""
    explanandum = explainer.explanandum
    batch = collate([dataset[index]])
    image, present = batch["image"].to(like(explainer.network)), batch["labels"][0].bool()
    own, others = present.nonzero().flatten(), (~present).nonzero().flatten()
    rivals = others[torch.randperm(len(others), generator=generator)[: calibration.rivals]]
    asked = torch.cat([own, rivals]).to(image.device)
    logits = enlarge(explainer.network(image)[:, asked], image.shape[-2:])[0]
    values = torch.tensor(cuts, device=logits.device, dtype=logits.dtype)
    kept = (logits[:, None] >= values[:, None, None]).flatten(0, 1)
    # The masks of a class lie inside one another, so those with as many pixels are equal, and most of an absent class
    # are empty at every cut: each is shown once.
    pixels = kept.flatten(1).sum(1).tolist()
    keys = [(row // len(cuts), count) if count else None for row, count in enumerate(pixels)]
    place = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    which = torch.tensor([place[key] for key in keys], device=kept.device)
    distinct = kept[[keys.index(key) for key in place]]
    hidden = make_fill(calibration.fill, explanandum.preprocessing)(
        image, torch.Generator(image.device).manual_seed(index)
    )
    answers = torch.cat(
        [
            explanandum.probabilities(apply_mask(image.expand(len(some), -1, -1, -1), some, hidden))
            for some in distinct.split(batch_size)
        ]
    )
    through = answers[which].view(len(asked), len(cuts), -1)[:, :, own.to(answers.device)].double().cpu()
    keeps = torch.stack([through[n, :, n] for n in range(len(own))])
    leaks = through[len(own) :].mean(0).T if len(rivals) else torch.zeros_like(keeps)
    shares = torch.tensor(pixels[: len(own) * len(cuts)], dtype=torch.float64) / kept[0].numel()
    return keeps - leaks, shares.view(len(own), len(cuts))
