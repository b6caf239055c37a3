"""Gradients averaged along a path or over noisy copies, by captum (extra ``captum``)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.base import listed
from explanans.methods.shared.captum import CaptumGradients, captum


@listed("integrated_gradients", "Integrated Gradients", needs=("gradients",), extra="captum")
class IntegratedGradients(CaptumGradients):
    """Integrated Gradients (Sundararajan et al., ICML 2017): x · the mean gradient between the mean colour and x.

    ``steps`` points of a Gauss-Legendre rule on a straight line. With ``reduction="signed"`` a map sums to the logit of
    the image minus that of the mean colour, up to the error of the rule.
    """

    random = False

    def __init__(self, explanandum: Explanandum, *, steps: int = 50, **settings: Any) -> None:
        super().__init__(explanandum, steps=steps, **settings)

    def attribute(self, images: Tensor, classes: Tensor) -> Tensor:
        return (
            captum()
            .IntegratedGradients(self.explanandum)
            .attribute(
                images,
                baselines=0,
                target=classes,
                n_steps=self.steps,
                internal_batch_size=self.at_once(images) * len(images),
            )
        )


def _deviation(noise: float, explanandum: Explanandum) -> float:
    """A share of the range from black to white as a standard deviation on the normalised scale."""
    if not noise >= 0:
        raise InputError(f"noise={noise}; give a share of the range from black to white, at least 0.")
    std = explanandum.preprocessing.std
    return noise * len(std) / sum(std)


@listed("smoothgrad", "SmoothGrad", needs=("gradients",), extra="captum")
class SmoothGrad(CaptumGradients):
    """SmoothGrad (Smilkov et al. 2017): the mean gradient of the logit over ``steps`` noisy copies of the image.

    Args:
        noise: standard deviation of the noise, as a share of the range from black to white.
    """

    def __init__(self, explanandum: Explanandum, *, steps: int = 50, noise: float = 0.15, **settings: Any) -> None:
        super().__init__(explanandum, steps=steps, **settings)
        self.deviation = _deviation(noise, explanandum)

    def attribute(self, images: Tensor, classes: Tensor) -> Tensor:
        return (
            captum()
            .NoiseTunnel(captum().Saliency(self.explanandum))
            .attribute(
                images,
                nt_type="smoothgrad",
                nt_samples=self.steps,
                nt_samples_batch_size=self.at_once(images),
                stdevs=self.deviation,
                target=classes,
                abs=False,
            )
        )


@listed("gradient_shap", "GradientSHAP", needs=("gradients",), extra="captum")
class GradientSHAP(CaptumGradients):
    """GradientSHAP (Lundberg & Lee 2017): (x + noise) · the gradient at a random point between the mean colour and it.

    The expectation, over ``steps`` draws, of integrated gradients: each draw takes one point on the way from the mean
    colour to a noisy copy of the image.

    Args:
        noise: standard deviation of the noise, as a share of the range from black to white.
    """

    def __init__(self, explanandum: Explanandum, *, steps: int = 50, noise: float = 0.05, **settings: Any) -> None:
        super().__init__(explanandum, steps=steps, **settings)
        self.deviation = _deviation(noise, explanandum)

    def attribute(self, images: Tensor, classes: Tensor) -> Tensor:
        total = torch.zeros_like(images)
        left = self.steps
        # captum runs all its samples in one pass, so it is asked several times for as many as fit.
        while left:
            samples = min(left, self.at_once(images))
            total += samples * captum().GradientShap(self.explanandum).attribute(
                images,
                baselines=torch.zeros_like(images[:1]),
                n_samples=samples,
                stdevs=self.deviation,
                target=classes,
            )
            left -= samples
        return total / self.steps
