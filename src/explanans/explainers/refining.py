"""Masks that are carried along the classifier's own features and brought into line with their picture's colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import REFUSALS, grey_image, layer_of_stride, reading
from explanans.classifiers.spatial import feature_grid
from explanans.ops.refinement import adapt_to_pixels, neighbours, scaled_up, spread, stretch

LARGEST = 4.0
"""The largest enlargement that is taken; the walk's memory grows with its fourth power."""

POSITIONS = 40
"""Features on a larger grid are averaged to this many rows and columns, whose transitions take 10 MB."""

TOGETHER = 64
"""Masks of a picture that are refined at once: at 224 pixels the neighbours of their pixels take 100 MB."""

STEPS, REFINEMENTS, SHARE, LEVEL, STEEPNESS = 2, 3, 0.8, 0.6, 10.0


class Refinement:
    """Mask logits → mask logits that end where the classifier's features and the picture's colours change.

    A mask network answers on a coarse grid. For each of its masks S = σ(E)

    1. w = S on the grid of the classifier's features of stride 16, carried along them
       (:func:`~explanans.ops.refinement.spread`, 2 steps), from 0 to 1;
    2. v = w at half the picture's size, averaged within its colours
       (:func:`~explanans.ops.refinement.adapt_to_pixels`, 3 steps), from 0 to 1;
    3. E' = 10 · (0.8 v + 0.2 S − 0.6): where S says nothing v has to be at least 0.75, where S is sure 0.5.

    These are the steps of :class:`~explanans.methods.spread_cam.SpreadCAM`, from a trained mask instead of Grad-CAM,
    and for all masks of a picture one pass of the classifier, without gradients. A mask with no pixel outside or none
    inside of S ≥ 1/2 stays as it is, and one that would be empty afterwards; no mask depends on which others are asked
    for.

    Args:
        explanandum: a classifier with spatial layers.
        enlargement: of the pictures for its features, above 0; 1 for classifiers that take one size.

    Raises:
        InputError: when it is first used; no layer is as fine as stride 16.
    """

    def __init__(self, explanandum: Explanandum, enlargement: float) -> None:
        self.explanandum, self.enlargement = explanandum, enlargement

    @torch.no_grad()
    def __call__(self, logits: Tensor, images: Tensor, image: Tensor, scale: float = 1.0) -> Tensor:
        """``scale`` · E', (P, H/2, W/2).

        Args:
            logits: E, (P, h, w).
            images: normalised, (N, 3, H, W).
            image: (P,), of which of them each mask is.
            scale: that E was multiplied by already.
        """
        half = [max(1, side // 2) for side in images.shape[-2:]]
        found = resized(logits[:, None], half)[:, 0]
        inside = logits.flatten(1) >= 0
        mixed = inside.any(1) & ~inside.all(1)
        rows = image[mixed].unique().tolist()
        if not rows:
            return found
        features = self.features(images[rows]).to(logits.dtype)
        for row, of_image in zip(rows, features, strict=True):
            small = functional.interpolate(images[row, None], half, mode="area").to(logits.dtype)
            for own in (mixed & (image == row)).nonzero()[:, 0].split(TOGETHER):
                value = carried(logits[own].sigmoid()[None], of_image[None], small)[0]
                # Features that are all alike carry a mask nowhere; it is not lost.
                left = (value >= LEVEL).flatten(1).any(1)
                found[own[left]] = scale * STEEPNESS * (value[left] - LEVEL)
        return found

    def features(self, images: Tensor) -> Tensor:
        """(N, K, h, w) of stride 16 in the enlarged pictures."""
        return self.features_at(self.explanandum.laid_out(scaled_up(images, self.enlargement)))

    def features_at(self, enlarged: Tensor) -> Tensor:
        """The same, of pictures that are enlarged already."""
        layer = layer_of_stride(self.explanandum)
        with reading(self.explanandum, [layer]) as read:
            self.explanandum(enlarged)
        features = feature_grid(read[layer], enlarged)
        height, width = (min(side, POSITIONS) for side in features.shape[-2:])
        return functional.adaptive_avg_pool2d(features, (height, width))


def carried(
    masks: Tensor,
    features: Tensor,
    images: Tensor,
    look: Callable[[Tensor, Sequence[int]], Tensor] = neighbours,
) -> Tensor:
    """0.8 v + 0.2 S of :class:`Refinement`, at the images' size, (N, M, H, W).

    Args:
        masks: S, (N, M, h, w).
        features: of :meth:`Refinement.features`, (N, K, h', w').
        images: (N, 3, H, W), at the size that is wanted.
        look: see :func:`~explanans.ops.refinement.adapt_to_pixels`.
    """
    size = list(images.shape[-2:])
    grid = functional.interpolate(masks, features.shape[-2:], mode="area")
    walked = stretch(spread(stretch(grid), features, steps=STEPS))
    fine = stretch(adapt_to_pixels(resized(walked, size), images, REFINEMENTS, look=look))
    return torch.lerp(resized(masks, size), fine, SHARE)


def resized(maps: Tensor, size: list[int]) -> Tensor:
    """(N, M, h, w) to (N, M, H, W), bilinear, with antialiasing where they shrink."""
    return functional.interpolate(maps, size, mode="bilinear", antialias=True)


def possible_enlargement(explanandum: Explanandum, wanted: float) -> float:
    """``wanted``, or 1 for a classifier that takes pictures of one size, or 0 where no layer has features to follow."""
    for enlargement in (wanted, 1.0) if wanted else ():
        grey = grey_image(explanandum)
        logits = torch.tensor([[[1.0, -1.0], [-1.0, -1.0]]], device=grey.device)
        try:
            Refinement(explanandum, enlargement)(logits, grey, torch.zeros(1, dtype=torch.long, device=grey.device))
        except REFUSALS:
            continue
        return enlargement
    return 0.0
