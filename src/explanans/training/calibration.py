"""Where a trained mask is cut, chosen by what the classifier says through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from explanans.data import LabelledImages, collate
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.ops.masking import apply_mask, make_fill
from explanans.ops.refinement import enlarge
from explanans.utils.devices import like
from explanans.utils.modes import evaluating
from explanans.utils.numbers import check_count, check_number
from explanans.utils.progress import Progress

CUTS = tuple(step / 2 for step in range(-6, 7))


@dataclass(frozen=True)
class Calibration:
    """Sharpen trained masks around the cut that the classifier answers best.

    A network that learned from uncertain guides says grey where it should decide, and 1/2 need not be where the object
    ends. For a cut τ the picture is shown through [E_c(x) ≥ τ], the rest filled. ``gap``(τ) is what the masks of the
    labels keep of their class, minus what masks of other classes let through of it, in the classifier's own
    probabilities, on average over the labels of the images. The cut is the highest one whose gap is within
    ``tolerance`` of the best: the smallest masks that do as well. Then E becomes ``sharpness`` · (E − cut), which keeps
    the order of the pixels. No segmentation is asked.

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
        for the facts: cut, sharpness, images, and the gap at each cut.

    Raises:
        InputError: no image has a label.
    """
    labelled = first_labelled(dataset, calibration.images)
    generator = torch.Generator().manual_seed(seed)
    gaps = torch.zeros(len(CUTS), dtype=torch.float64)
    labels = 0
    bar = Progress("calibrating", len(labelled), unit="pictures", show=progress)
    with torch.no_grad(), evaluating(explainer), bar:
        for index in bar.over(labelled):
            found = _gaps(explainer, dataset, index, calibration, generator, batch_size)
            gaps += found.sum(0)
            labels += len(found)
    gaps /= labels
    cut = max(cut for cut, gap in zip(CUTS, gaps.tolist(), strict=True) if gap >= gaps.max() - calibration.tolerance)
    explainer.calibrate(calibration.sharpness, -cut)
    return {
        "cut": cut,
        "sharpness": calibration.sharpness,
        "images": len(labelled),
        "data": dataset.name,
        "gaps": {f"{cut:g}": round(gap, 4) for cut, gap in zip(CUTS, gaps.tolist(), strict=True)},
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


def _gaps(
    explainer: Explainer,
    dataset: LabelledImages,
    index: int,
    calibration: Calibration,
    generator: torch.Generator,
    batch_size: int,
) -> Tensor:
    """(labels of the image, cuts): kept minus let through."""
    explanandum = explainer.explanandum
    batch = collate([dataset[index]])
    image, present = batch["image"].to(like(explainer.network)), batch["labels"][0].bool()
    own, others = present.nonzero().flatten(), (~present).nonzero().flatten()
    rivals = others[torch.randperm(len(others), generator=generator)[: calibration.rivals]]
    asked = torch.cat([own, rivals]).to(image.device)
    logits = enlarge(explainer.network(image)[:, asked], image.shape[-2:])[0]
    cuts = torch.tensor(CUTS, device=logits.device, dtype=logits.dtype)
    kept = (logits[:, None] >= cuts[:, None, None]).flatten(0, 1)
    # The masks of a class lie inside one another, so those with as many pixels are equal, and most of an absent class
    # are empty at every cut: each is shown once.
    pixels = kept.flatten(1).sum(1).tolist()
    keys = [(row // len(CUTS) if count else -1, count) for row, count in enumerate(pixels)]
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
    through = answers[which].view(len(asked), len(CUTS), -1)[:, :, own.to(answers.device)].double().cpu()
    keeps = torch.stack([through[n, :, n] for n in range(len(own))])
    leaks = through[len(own) :].mean(0).T if len(rivals) else torch.zeros_like(keeps)
    return keeps - leaks
