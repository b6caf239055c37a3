"""DeepLIFT's rescale rule (Shrikumar et al., ICML 2017), by captum (extra ``captum``)."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.base import listed
from explanans.methods.shared.captum import CaptumGradients, captum


@listed("deeplift", "DeepLIFT", needs=("gradients",), extra="captum")
class DeepLIFT(CaptumGradients):
    """(x − mean colour) · multipliers, where every activation passes Δoutput / Δinput backwards instead of its slope.

    One forward and one backward pass for each pair of image and class, on the image and the mean colour together.

    captum knows activations that are *modules* (ReLU, ELU, LeakyReLU, Sigmoid, Tanh, Softplus, Softmax) and max
    pooling; functional ones, ReLU6, GELU and SiLU pass their ordinary gradient. A module that is used twice, as the
    ReLU of torchvision's residual blocks, it refuses; timm's networks have one for each use.

    Raises:
        InputError: besides the usual, a classifier that uses an activation module twice; ``steps``, of which there is
            none.
    """

    random = False

    def __init__(self, explanandum: Explanandum, **settings: Any) -> None:
        if "steps" in settings:
            raise InputError(f"steps={settings['steps']!r}: DeepLIFT takes one pass and has no steps; leave it out.")
        super().__init__(explanandum, steps=1, **settings)

    def attribute(self, images: Tensor, classes: Tensor) -> Tensor:
        try:
            with warnings.catch_warnings():
                # It says that it sets hooks and removes them.
                warnings.simplefilter("ignore", UserWarning)
                deeplift = captum().DeepLift(_twin(self.explanandum))
                return deeplift.attribute(images, baselines=torch.zeros_like(images), target=classes)
        except RuntimeError as error:
            if "used more than once" not in str(error):
                raise
            raise InputError(
                "DeepLIFT: the classifier uses one activation module more than once, which captum cannot take apart; "
                "use integrated_gradients, or a network with a module for each use, such as timm's."
            ) from error


def _twin(explanandum: Explanandum) -> Explanandum:
    """The same parameters in modules of their own: captum hangs hooks and tensors on modules, which other threads that
    ask the classifier meanwhile must not see."""
    return copy.deepcopy(explanandum, {id(each): each for each in (*explanandum.parameters(), *explanandum.buffers())})
