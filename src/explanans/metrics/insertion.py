"""Show or hide an image's pixels in the order of a map, and watch the classifier: insertion and deletion."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from explanans.errors import InputError
from explanans.metrics.shared.asking import Classify, answers, check_images, label_mean
from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import flatten_maps


def insertion(
    classify: Classify,
    images: Tensor,
    maps: Tensor,
    labels: Tensor,
    background: Tensor,
    steps: int = 16,
    batch_size: int = 64,
) -> Tensor:
    """Mean probability of the labels while an image's pixels appear on the background, highest map values first.

    Petsiuk et al., "RISE" (BMVC 2018): point k shows the first k/steps of the pixels, so the curve starts at the bare
    background (they take a blur) and ends at the whole image. Its area (:func:`curve_auc`) is the score, higher is
    better. Pixels of equal value appear row by row, the order in which they lie in memory. A map with a NaN or
    infinity, and an image for which the classifier answers NaN, has 0 all along, the worst curve.

    Args:
        classify: images (B, 3, H, W) → probabilities (B, C), sigmoid or softmax as the classifier was trained.
        images: normalised, (N, 3, H, W).
        maps: (N, H, W) or (N, 1, H, W), floating point of any range: only the order of the values counts.
        labels: (N, C) multi-hot; each image needs at least one label.
        background: what hidden pixels are, as ``images``.
        steps: how many equal portions.
        batch_size: images per call of ``classify``; the memory does not depend on ``steps``.

    Returns:
        (N, steps + 1) in [0, 1].

    Raises:
        InputError: shapes that do not fit, an image without a label, ``steps`` outside 1 … H·W.
    """
    curve, broken = _curve(classify, images, maps, labels, background, steps, batch_size, appear=True)
    return curve.masked_fill(broken[:, None], 0)


def deletion(
    classify: Classify,
    images: Tensor,
    maps: Tensor,
    labels: Tensor,
    background: Tensor,
    steps: int = 16,
    batch_size: int = 64,
) -> Tensor:
    """Mean probability of the labels while an image's pixels give way to the background, highest map values first.

    Petsiuk et al., "RISE" (BMVC 2018), who take grey (zero after normalisation) for the background. The area under the
    curve (:func:`curve_auc`) is the score, lower is better. What cannot be scored has 1 all along, the worst curve;
    otherwise as :func:`insertion`.
    """
    curve, broken = _curve(classify, images, maps, labels, background, steps, batch_size, appear=False)
    return curve.masked_fill(broken[:, None], 1)


def curve_auc(curve: Tensor) -> Tensor:
    """Trapezoidal area under curves (N, steps + 1) over equally spaced points of [0, 1], (N,).

    >>> import torch
    >>> curve_auc(torch.tensor([[0.0, 1.0, 1.0]]))
    tensor([0.7500])
    """
    if curve.ndim != 2 or curve.shape[1] < 2:
        raise InputError(f"curve has shape {tuple(curve.shape)}; give (N, steps + 1) with at least two points.")
    return torch.trapezoid(curve, dx=1 / (curve.shape[1] - 1), dim=1)


def ranks(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Place (N, H, W) of every pixel when the map's values descend, equal values row by row; and broken (N,)."""
    flat, broken = flatten_maps(maps.detach())
    order = flat.argsort(dim=1, descending=True, stable=True)
    places = torch.arange(flat.shape[1], device=flat.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view(len(maps), *maps.shape[-2:]), broken


def _curve(
    classify: Classify,
    images: Tensor,
    maps: Tensor,
    labels: Tensor,
    background: Tensor,
    steps: int,
    batch_size: int,
    appear: bool,
) -> tuple[Tensor, Tensor]:
    place, broken = ranks(maps)
    shape = tuple(images.shape)
    check_images(images, {"maps": (place, (shape[0], *shape[2:])), "background": (background, shape)})
    pixels = shape[2] * shape[3]
    if not 1 <= steps <= pixels:
        raise InputError(f"steps={steps}; give 1 to the {pixels} pixels of an image.")
    shown, hidden = (images, background) if appear else (background, images)
    # Rounded, so that no step loses pixels when H·W is no multiple of the steps.
    limits = (torch.arange(steps + 1, device=images.device) * pixels + steps // 2) // steps

    def make(indices: Tensor) -> Tensor:
        of = indices // (steps + 1)
        first = place[of] < limits[indices % (steps + 1)][:, None, None]
        return torch.where(first[:, None], shown[of], hidden[of])

    probabilities = answers(classify, len(images) * (steps + 1), make, batch_size, images)
    curve = label_mean(probabilities, labels.repeat_interleave(steps + 1, dim=0)).view(len(images), steps + 1)
    return curve, broken | curve.isnan().any(1)


class _CurveMetric(ShareMean):
    appear: bool

    def __init__(self, steps: int = 16, batch_size: int = 64, **kwargs: Any) -> None:
        super().__init__(columns=steps + 1, **kwargs)
        self.steps, self.batch_size = steps, batch_size

    def update(self, classify: Classify, images: Tensor, maps: Tensor, labels: Tensor, background: Tensor) -> None:
        curve, broken = _curve(
            classify, images, maps, labels, background, self.steps, self.batch_size, appear=self.appear
        )
        self.accumulate(curve.masked_fill(broken[:, None], self.worst), broken)

    def compute(self) -> Tensor:
        return curve_auc(self.means()[None])[0]


@listed("insertion", "insertion AUC")
class Insertion(_CurveMetric):
    """Mean over images of the area under :func:`insertion`, higher is better; ``means()`` is the mean curve."""

    higher_is_better = True
    appear = True
    worst = 0.0


@listed("deletion", "deletion AUC")
class Deletion(_CurveMetric):
    """Mean over images of the area under :func:`deletion`, lower is better; ``means()`` is the mean curve."""

    higher_is_better = False
    appear = False
    worst = 1.0
