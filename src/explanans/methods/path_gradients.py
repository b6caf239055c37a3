"""Gradient methods of captum (extra ``captum``), with our targets, bounded memory and a generator.

What stands in for "nothing" is the mean colour of the data, 0 in the normalised image.
"""

from __future__ import annotations

from typing import Any

import torch
from captum.attr import GradientShap, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.shared.perturbing import check_gradients_possible
from explanans.methods.shared.randomness import draw_seed, seeded
from explanans.methods.shared.reduction import check_reduction, reduce_channels
from explanans.ops.targets import Target, multi_hot
from explanans.utils.numbers import check_count


class CaptumGradients:
    """Every pair of image and class is an example of its own; at most ``batch_size`` meet the classifier at once.

    Args:
        explanandum: the classifier.
        steps: how many points or noisy copies each map is the mean of.
        batch_size: images in one forward and backward pass, whatever ``steps`` is.
        reduction: how three colour channels become one map, see
            :func:`~explanans.methods.shared.reduction.reduce_channels`.

    Raises:
        InputError: an unknown reduction, a number below 1, or a call under ``torch.inference_mode``.
    """

    # Whether anything is drawn; what draws nothing leaves every generator alone.
    random = True

    def __init__(
        self, explanandum: Explanandum, *, steps: int, batch_size: int = 32, reduction: str = "absolute"
    ) -> None:
        self.explanandum = explanandum
        self.steps = check_count("steps", steps)
        self.batch_size = check_count("batch_size", batch_size)
        self.reduction = check_reduction(reduction)

    def attribute(self, images: Tensor, classes: Tensor) -> Tensor:
        """Images (P, 3, H, W), P ≤ batch_size, and one class each (P,) → attributions (P, 3, H, W)."""
        raise NotImplementedError

    def at_once(self, images: Tensor) -> int:
        """How many steps of these images fit into a pass."""
        return max(1, min(self.steps, self.batch_size // len(images)))

    def __call__(self, images: Tensor, targets: Target, generator: torch.Generator | None = None) -> Tensor:
        check_gradients_possible(type(self).__name__)
        asked = multi_hot(targets, self.explanandum.classes, len(images), images.device)
        maps = images.new_zeros(*asked.shape, *images.shape[-2:])
        rows, classes = asked.nonzero(as_tuple=True)
        with seeded(draw_seed(generator) if self.random else 0, images.device), torch.enable_grad():
            for row, index in zip(rows.split(self.batch_size), classes.split(self.batch_size), strict=True):
                if len(row):
                    attributions = self.attribute(images.detach()[row], index)
                    maps[row, index] = reduce_channels(attributions.detach(), self.reduction).to(maps.dtype)
        return maps


class IntegratedGradientsMethod(CaptumGradients):
    """Integrated Gradients (Sundararajan et al., ICML 2017): x · the mean gradient between the mean colour and x.

    ``steps`` points of a Gauss-Legendre rule on a straight line. With ``reduction="signed"`` a map sums to the logit of
    the image minus that of the mean colour, up to the error of the rule.
    """

    random = False

    def __init__(self, explanandum: Explanandum, *, steps: int = 50, **settings: Any) -> None:
        super().__init__(explanandum, steps=steps, **settings)

    def attribute(self, images: Tensor, classes: Tensor) -> Tensor:
        return IntegratedGradients(self.explanandum).attribute(
            images,
            baselines=0,
            target=classes,
            n_steps=self.steps,
            internal_batch_size=self.at_once(images) * len(images),
        )


def _deviation(noise: float, explanandum: Explanandum) -> float:
    """A share of the range from black to white as a standard deviation on the normalised scale."""
    if not noise >= 0:
        raise InputError(f"noise={noise}; give a share of the range from black to white, at least 0.")
    std = explanandum.preprocessing.std
    return noise * len(std) / sum(std)


class SmoothGrad(CaptumGradients):
    """SmoothGrad (Smilkov et al. 2017): the mean gradient of the logit over ``steps`` noisy copies of the image.

    Args:
        noise: standard deviation of the noise, as a share of the range from black to white.
    """

    def __init__(self, explanandum: Explanandum, *, steps: int = 50, noise: float = 0.15, **settings: Any) -> None:
        super().__init__(explanandum, steps=steps, **settings)
        self.deviation = _deviation(noise, explanandum)

    def attribute(self, images: Tensor, classes: Tensor) -> Tensor:
        return NoiseTunnel(Saliency(self.explanandum)).attribute(
            images,
            nt_type="smoothgrad",
            nt_samples=self.steps,
            nt_samples_batch_size=self.at_once(images),
            stdevs=self.deviation,
            target=classes,
            abs=False,
        )


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
            total += samples * GradientShap(self.explanandum).attribute(
                images,
                baselines=torch.zeros_like(images[:1]),
                n_samples=samples,
                stdevs=self.deviation,
                target=classes,
            )
            left -= samples
        return total / self.steps
