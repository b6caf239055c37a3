"""Extremal perturbations (Fong, Patrick & Vedaldi, ICCV 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.base import PairMethod, listed
from explanans.methods.shared.perturbing import check_gradients_possible, layout, working_dtype
from explanans.methods.shared.smooth_mask import grid_size, max_kernel, smooth_mask
from explanans.ops.masking import BlurFill
from explanans.utils.numbers import check_count, check_number

LEARNING_RATE, MOMENTUM = 0.01, 0.9
AREA_WEIGHT, AREA_WEIGHT_GROWTH = 300.0, 1.0035


def area_loss(masks: Tensor, areas: Tensor) -> Tensor:
    """R_a(m) = 1/|Ω| · ‖vecsort(m) − r_a‖², r_a = (1 − a)|Ω| zeros, then a|Ω| ones, per mask, (R,).

    With the K = round(a|Ω|) largest values this is (Σ m² − 2 Σ_largest m + K) / |Ω|. Values that tie for the last
    places share them, so that the gradient does not depend on the order in memory.

    Args:
        masks: (R, H, W).
        areas: a, (R,), each in (0, 1).
    """
    values = masks.flatten(1)
    pixels = values.shape[1]
    count = (pixels * areas.double()).round().long()
    with torch.no_grad():
        descending = values.sort(1, descending=True).values
        last = descending.gather(1, (count - 1).clamp(min=0)[:, None])
        above, tied = values > last, values == last
        left = (count - above.sum(1)).to(values.dtype) / tied.sum(1)
        largest = above.to(values.dtype) + tied * left[:, None]
    return (values.square() - 2 * largest * values).mean(1) + count / pixels


def contrastive_reward(logits: Tensor, classes: Tensor) -> Tensor:
    """y_c − max over c' ≠ c of y_c' for logits (R, C), classes (R,) → (R,); y_c alone if there is no other class."""
    own = logits.gather(1, classes[:, None])[:, 0]
    if logits.shape[1] == 1:
        return own
    others = logits.scatter(1, classes[:, None], -math.inf)
    return own - others.amax(1)


def smallest_sufficient(reached: Tensor, whole: Tensor) -> Tensor:
    """Index of the first area whose logit reaches the whole image's, or, if none does, of the highest; (P,).

    Args:
        reached: logits of the masked images, (P, A), areas ascending.
        whole: logits of the whole images, (P,).
    """
    enough = reached >= whole[:, None]
    # argmax of zeros and ones is the first one.
    return torch.where(enough.any(1), enough.to(torch.uint8).argmax(1), reached.argmax(1))


class BlurPyramid:
    """Images under ever less Gaussian blur, σ_l = ``blur`` · (1 − l / (L − 1)), l = 0 … L − 1.

    ``pyramid(masks, rows)`` → images (R, 3, H, W): at a pixel with mask value m level m (L − 1) of the image that the
    row names, interpolated between the two nearest. 1 keeps the pixel, 0 blurs it most.
    """

    def __init__(self, images: Tensor, levels: int, blur: float) -> None:
        shorter = min(images.shape[-2:])
        sigmas = [blur * (1 - level / (levels - 1)) for level in range(levels)]
        stack = [BlurFill(sigma / shorter)(images) if sigma else images for sigma in sigmas]
        self.levels, self.size = levels, images.shape[-2:]
        # (image, level, pixel) × channel: a pixel's channels lie side by side and are fetched together.
        self.colours = torch.stack(stack, 1).permute(0, 1, 3, 4, 2).reshape(-1, images.shape[1])

    def __call__(self, masks: Tensor, rows: Tensor) -> Tensor:
        level = masks.flatten(1) * (self.levels - 1)
        below = level.detach().floor().clamp(0, self.levels - 2)
        pixels = level.shape[1]
        index = (rows[:, None] * self.levels + below.long()) * pixels + torch.arange(pixels, device=masks.device)
        share = (level - below).to(self.colours.dtype)[..., None]
        near = self.colours[index + pixels]
        far = self.colours[index]
        return torch.lerp(far, near, share).unflatten(1, self.size).permute(0, 3, 1, 2)


def gaussian_smoothing(masks: Tensor, sigma: float) -> Tensor:
    """Masks (R, H, W) under a Gaussian with a standard deviation of ``sigma`` pixels; beyond the border they are 0."""
    for axis in (1, 2):
        place = torch.arange(masks.shape[axis], device=masks.device, dtype=masks.dtype)
        bell = torch.exp(-(place - place[:, None]).square() / (2 * sigma**2))
        reach = torch.arange(-math.ceil(6 * sigma), math.ceil(6 * sigma) + 1, device=masks.device, dtype=masks.dtype)
        bell = bell / torch.exp(-reach.square() / (2 * sigma**2)).sum()
        masks = (bell @ masks) if axis == 1 else (masks @ bell)
    return masks


@listed("extremal_perturbation", "Extremal Perturbations", "raw", needs=("gradients",))
class ExtremalPerturbation(PairMethod):
    """The smooth mask of a given area that excites the class most, for the smallest area that suffices.

    For each area a the mask m_a maximises y_c − max over c' ≠ c of y_c' on the image that is blurred outside the mask,
    minus λ R_a(m_a): the preservation game with the contrastive reward. What a mask covers beyond the border, up to σ
    away, counts as area as well; otherwise masks at borders and in corners would be cheap. Masks are smooth
    max-convolutions of a grid (:func:`~explanans.methods.shared.smooth_mask.smooth_mask`). The grid starts at 1; SGD
    with rate 0.01, momentum and dampening 0.9; λ grows from 300 by 0.35 % per iteration; every other iteration sees the
    image mirrored. Chosen is the smallest a whose masked image reaches the logit of the whole image, or, if none does,
    the one with the highest logit. The chosen mask is smoothed.

    ``ep(images, targets)`` → masks (N, C, H, W) in [0, 1]. For every image, class and area ``iterations`` forward and
    backward passes and one forward pass, besides one forward pass per image. Nothing is random; rows of a batch do not
    influence each other. Works under ``torch.no_grad``.

    Args:
        explanandum: the classifier.
        areas: shares of the image, in (0, 1).
        iterations: of the optimiser.
        step: side of a grid cell, in pixels.
        sigma: width of the max-convolution's kernel, in pixels.
        smoothing: standard deviation of the smoothing at the end, as a share of the shorter side; 0 for none.
        blur: largest standard deviation of the pyramid, in pixels.
        levels: L of the pyramid.
        mirror: show every other iteration the mirrored image; for a classifier that tells left from right, False.
        batch_size: masks that are optimised at once: (image, class, area) triples.
        channels_last: as for :class:`~explanans.methods.rise.RISE`.

    Raises:
        InputError: a setting out of range, or a call under ``torch.inference_mode``.
    """

    def __init__(
        self,
        explanandum: Explanandum,
        *,
        areas: Sequence[float] = (0.05, 0.1, 0.2, 0.3),
        iterations: int = 800,
        step: int = 7,
        sigma: float = 21.0,
        smoothing: float = 0.09,
        blur: float = 20.0,
        levels: int = 8,
        mirror: bool = True,
        batch_size: int = 16,
        channels_last: bool = True,
    ) -> None:
        self.explanandum = explanandum
        self.areas = tuple(sorted(areas))
        if not self.areas or not all(0 < area < 1 for area in self.areas):
            raise InputError(f"areas={areas!r}; give one or more shares of the image between 0 and 1.")
        self.iterations = check_count("iterations", iterations)
        self.step = check_count("step", step)
        self.sigma = check_number("sigma", sigma, above=True)
        self.smoothing = check_number("smoothing", smoothing)
        self.blur = check_number("blur", blur, above=True)
        self.levels = check_count("levels", levels, 2)
        self.mirror = mirror
        self.batch_size = check_count("batch_size", batch_size)
        self.layout = layout(channels_last)

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        check_gradients_possible("ExtremalPerturbation")
        if not asked.any():
            return images.new_zeros(0, *images.shape[-2:])
        with torch.no_grad():
            parts = asked.nonzero().split(max(1, self.batch_size // len(self.areas)))
            return torch.cat([self._explain(images, pairs) for pairs in parts])

    def _explain(self, images: Tensor, pairs: Tensor) -> Tensor:
        """Masks (P, H, W) of the (image, class) pairs (P, 2)."""
        numbers, own = pairs[:, 0].unique(return_inverse=True)
        images = images[numbers].clone()
        pyramid = BlurPyramid(images, self.levels, self.blur)
        parts = [part.contiguous(memory_format=self.layout) for part in images.split(self.batch_size)]
        whole = torch.cat([self.explanandum(part) for part in parts])[own, pairs[:, 1]]
        count = len(self.areas)
        rows, classes = own.repeat_interleave(count), pairs[:, 1].repeat_interleave(count)
        areas = torch.tensor(self.areas, device=images.device, dtype=working_dtype(images)).repeat(len(pairs))
        triples = zip(*(tensor.split(self.batch_size) for tensor in (rows, classes, areas)), strict=True)
        masks, logits = zip(*(self._optimise(pyramid, *triple) for triple in triples), strict=True)
        reached = torch.cat(logits).view(len(pairs), count)
        chosen = smallest_sufficient(reached, whole.to(reached.dtype))
        best = torch.cat(masks).unflatten(0, (len(pairs), count))[torch.arange(len(pairs)), chosen]
        sigma = self.smoothing * min(images.shape[-2:])
        return (gaussian_smoothing(best, sigma) if sigma else best).clamp(0, 1)

    def _optimise(self, pyramid: BlurPyramid, rows: Tensor, classes: Tensor, areas: Tensor) -> tuple[Tensor, Tensor]:
        """The masks (R, H, W) of R triples, and the logits (R,) that they keep."""
        size = (pyramid.size[0], pyramid.size[1])
        kernel = max_kernel(self.step, self.sigma, areas)
        margin, wide = self._margin(size)
        shares = areas * (size[0] * size[1]) / (wide[0] * wide[1])
        grids = areas.new_ones(len(rows), *grid_size(size, self.step))
        optimiser = torch.optim.SGD([grids.requires_grad_()], LEARNING_RATE, MOMENTUM, dampening=MOMENTUM)
        weight = AREA_WEIGHT
        for iteration in range(self.iterations):
            with torch.enable_grad():
                whole = smooth_mask(F.pad(grids, [margin] * 4), wide, kernel)
                masks = _middle(whole, size)
                seen = pyramid(masks, rows).contiguous(memory_format=self.layout)
                seen = seen.flip(3) if self.mirror and iteration % 2 == 0 else seen
                logits = self.explanandum(seen).to(masks.dtype)
                losses = weight * area_loss(whole, shares) - contrastive_reward(logits, classes)
                # Rows do not influence each other, so one gradient of the sum serves them all.
                (grids.grad,) = torch.autograd.grad(losses.sum(), grids)
            optimiser.step()
            grids.clamp_(0, 1)
            weight *= AREA_WEIGHT_GROWTH
        masks = _middle(smooth_mask(F.pad(grids.detach(), [margin] * 4), wide, kernel), size)
        logits = self.explanandum(pyramid(masks, rows).contiguous(memory_format=self.layout)).to(masks.dtype)
        return masks, logits.gather(1, classes[:, None])[:, 0]

    def _margin(self, size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
        """Cells around the grid where masks are computed as well, and the rows and columns of all that, in pixels."""
        margin = math.ceil(self.sigma / self.step)
        return margin, (size[0] + 2 * margin * self.step, size[1] + 2 * margin * self.step)


def _middle(masks: Tensor, size: tuple[int, int]) -> Tensor:
    top, left = (masks.shape[1] - size[0]) // 2, (masks.shape[2] - size[1]) // 2
    return masks[:, top : top + size[0], left : left + size[1]]
