"""An Explainer where another library wants its own kind of explainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explanans.errors import InputError
from explanans.explainer import Explainer
from explanans.targets import Target, multi_hot


def quantus_explain_func(explainer: Explainer) -> Callable[..., NDArray[np.float32]]:
    """What Quantus calls ``explain_func``: (model, inputs, targets, **ignored) → masks (N, 1, H, W) in [0, 1].

    The model that Quantus hands over has to be the explained one (``explainer.explanandum`` or its module): masks
    belong to their classifier.

    >>> metric(model=explainer.explanandum, x_batch=x, y_batch=y,                       # doctest: +SKIP
    ...        explain_func=quantus_explain_func(explainer), explain_func_kwargs={})
    """

    def explain(model: Any, inputs: Any, targets: Any, **ignored: Any) -> NDArray[np.float32]:
        explanandum = explainer.explanandum
        if model not in (explanandum, explanandum.module):
            raise InputError(
                f"explain_func was given a {type(model).__name__} that is not the classifier this Explainer explains; "
                "pass explainer.explanandum as the model."
            )
        place = next(explainer.network.parameters(), torch.zeros(()))
        images = torch.as_tensor(np.asarray(inputs)).to(place)
        asked = torch.as_tensor(np.asarray(targets)).long().reshape(-1)
        return explainer.attribute(images, asked)[:, :1].float().cpu().numpy()

    return explain


class GradCAMAdapter:
    """An Explainer with the call of pytorch-grad-cam: ``cam(input_tensor=x, targets=[…])`` → NumPy (N, H, W) in [0, 1].

    A target is a ``ClassifierOutputTarget``, a class's index or its name, one for each image; None takes each image's
    most probable class, as there. Options that are about gradients or smoothing are refused: a mask needs neither.
    """

    def __init__(self, explainer: Explainer) -> None:
        self.explainer = explainer
        self.outputs: Tensor | None = None

    def __call__(
        self, input_tensor: Tensor, targets: Sequence[Any] | None = None, **options: Any
    ) -> NDArray[np.float32]:
        """
        Raises:
            InputError: another number of targets than of images, a target that is no class, or an option that is set.
        """
        wrong = sorted(name for name, value in options.items() if value)
        if wrong:
            raise InputError(f"GradCAMAdapter: {wrong} do nothing for a mask; leave them out.")
        asked: Target | None = None
        if targets is not None:
            asked = [_class_of(target) for target in targets]
            if len(asked) != len(input_tensor):
                raise InputError(f"targets: {len(asked)} for {len(input_tensor)} images; give one for each.")
            # One target for each image, where a list of the target rule would be classes of every image.
            asked = torch.cat([multi_hot(each, self.explainer.classes, 1, input_tensor.device) for each in asked])
        with torch.no_grad():
            self.outputs = self.explainer.explanandum(input_tensor)
        return self.explainer.attribute(input_tensor, asked)[:, 0].float().cpu().numpy()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ignored: object) -> None:
        return None


def _class_of(target: Any) -> Any:
    """The class in pytorch-grad-cam's target objects, or the target itself."""
    return int(target.category) if hasattr(target, "category") else target
