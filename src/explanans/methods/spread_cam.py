"""Grad-CAM that is carried over the whole object by the classifier's own features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import find_layer, layer_of_stride, reading
from explanans.classifiers.spatial import feature_grid
from explanans.methods.base import PairMethod, listed
from explanans.methods.grad_cam import GradCAM
from explanans.ops.refinement import adapt_to_pixels, compete, scaled_up, spread, stretch


@listed("spread_cam", "Spread-CAM", "raw", needs=("gradients", "layers"))
class SpreadCAM(PairMethod):
    """Grad-CAM → random walk along the features of stride 16 → refinement to the colours of the picture.

    ``spread_cam(images, targets)`` → maps (N, C, H, W) in [0, 1], each stretched from its own 0 to 1. The classifier
    sees the images enlarged by ``scale``, which makes the maps finer. Where Grad-CAM is 0 everywhere then, since what a
    class goes by may be known at one size alone, it is that of the image as it is. See
    :func:`~explanans.ops.refinement.spread` and :func:`~explanans.ops.refinement.adapt_to_pixels` for the steps; the
    guide of :class:`~explanans.objectives.guided.Guided`.

    Args:
        explanandum: a classifier with spatial layers that takes larger images than it was trained for.
        scale: side of the enlarged image over the side of the image; 1 for vision transformers, most of which take
            one size only.
        power, steps: of the walk; more steps carry a map farther, over a whole object and at last beyond it.
        refinements: steps of the refinement to colours.
        contrast: whether the classes asked for in an image compete, see :func:`~explanans.ops.refinement.compete`, so
            that a rider is no horse. A map then depends on which others are asked for: ask for classes that are there.
            :meth:`at` makes the maps before they compete.
        layer, feature_layer: names of the layers for Grad-CAM and for the features; None finds them.

    Raises:
        InputError: as :class:`~explanans.methods.grad_cam.GradCAM`; no layer is as fine as stride 16.
    """

    cut_areas: tuple[float, ...] = ()
    """A map that has been carried over whole objects falls where they end, so a mask is sought among its levels."""

    def __init__(
        self,
        explanandum: Explanandum,
        *,
        scale: float = 1.5,
        power: float = 2.0,
        steps: int = 4,
        refinements: int = 3,
        contrast: bool = False,
        layer: str | None = None,
        feature_layer: str | None = None,
    ) -> None:
        self.explanandum = explanandum
        self.scale, self.power, self.steps, self.refinements = scale, power, steps, refinements
        self.contrast = contrast
        self.cam = GradCAM(explanandum, layer)
        self.feature_layer_name = feature_layer or layer_of_stride(explanandum)
        self.feature_layer = find_layer(explanandum, self.feature_layer_name)

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        height, width = images.shape[-2:]
        if not asked.any():
            return images.new_zeros(0, height, width)
        fine = self.at(images, asked, (max(1, height // 4), max(1, width // 4)))
        if self.contrast:
            fine = compete(fine, asked.nonzero()[:, 0])
        return functional.interpolate(fine[:, None], (height, width), mode="bilinear")[:, 0]

    def at(
        self,
        images: Tensor,
        asked: Tensor,
        size: tuple[int, int],
        *,
        scale: float | None = None,
        seeds: Tensor | None = None,
        share: float = 0.0,
    ) -> Tensor:
        """The maps at ``size``, (P, h, w): one for each true entry of ``asked`` (N, C), in order.

        The walk starts from Grad-CAM mixed with a ``share`` of ``seeds`` (P, h, w): masks from elsewhere, each
        stretched from 0 to 1 as Grad-CAM is.
        """
        enlarged = scaled_up(images, scale or self.scale)
        with reading(self.explanandum, [self.feature_layer_name]) as read:
            cams = self.cam.coarse(enlarged.contiguous(memory_format=_layout(images)), asked)
        cams = self._at_own_size(cams, images, asked)
        image = asked.nonzero()[:, 0]
        features = feature_grid(read[self.feature_layer_name].detach(), enlarged).to(cams.dtype)
        with torch.no_grad():
            grid = functional.interpolate(stretch(cams)[:, None], features.shape[-2:], mode="bilinear")[:, 0]
            if seeds is not None and share:
                own = functional.interpolate(seeds.to(grid.dtype)[:, None], features.shape[-2:], mode="area")[:, 0]
                grid = torch.lerp(grid, stretch(own), share)
            walked = stretch(spread(grid, features[image], self.power, self.steps))
            fine = functional.interpolate(walked[:, None], size, mode="bilinear")[:, 0]
            small = functional.interpolate(images, size, mode="area")
            return stretch(adapt_to_pixels(fine, small[image], self.refinements))

    def _at_own_size(self, cams: Tensor, images: Tensor, asked: Tensor) -> Tensor:
        """Maps (P, h, w), those that are 0 everywhere made anew of the images as they are."""
        nothing = ~cams.flatten(1).any(1)
        if not nothing.any():
            return cams
        image, column = (each[nothing] for each in asked.nonzero(as_tuple=True))
        again = torch.zeros_like(asked)
        again[image, column] = True
        rows = again.any(1)
        own = self.cam.coarse(images[rows], again[rows])
        cams[nothing] = functional.interpolate(own[:, None], cams.shape[-2:], mode="bilinear")[:, 0].to(cams.dtype)
        return cams


def _layout(images: Tensor) -> torch.memory_format:
    channels_last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return torch.channels_last if channels_last else torch.contiguous_format
