"""Occlusion, by captum (extra ``captum``)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.base import listed
from explanans.methods.shared.captum import CaptumPerturbations, Tape, captum


@listed("occlusion", "Occlusion", extra="captum")
class Occlusion(CaptumPerturbations):
    """Occlusion (Zeiler & Fergus, ECCV 2014): how much the logit falls when a square is covered.

    A pixel gets the mean fall over the squares that cover it. Draws nothing. About 360 forward passes of one image with
    the defaults, one for each place of the square, whatever the number of classes.

    Args:
        window, stride: side of the square and its step, as shares of the image's shorter side.
    """

    random = False

    def __init__(
        self, explanandum: Explanandum, *, window: float = 0.15, stride: float = 0.05, **settings: Any
    ) -> None:
        super().__init__(explanandum, **settings)
        if not 0 < stride <= window <= 1:
            raise InputError(f"window={window}, stride={stride}; want 0 < stride ≤ window ≤ 1, shares of the image.")
        self.window, self.stride = window, stride

    def attribute(self, classify: Tape, image: Tensor, index: int, prepared: Any) -> Tensor:
        side = min(image.shape[-2:])
        window, step = (max(1, round(share * side)) for share in (self.window, self.stride))
        attributions = (
            captum()
            .Occlusion(classify)
            .attribute(
                image,
                sliding_window_shapes=(3, window, window),
                strides=(3, step, step),
                baselines=0,
                target=index,
                perturbations_per_eval=self.batch_size,
            )
        )
        # All three channels are covered together and have one value.
        return attributions[:, :1]
