"""An Explainer as other tools call it: captum's attribution methods, Quantus, pytorch-grad-cam.

None of these tools is needed to make an adapter for Quantus or pytorch-grad-cam; captum's is a subclass of its own
``Attribution``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.ops.targets import Target, class_index
from explanans.utils.devices import like

ExplainFunc = Callable[..., NDArray[np.float32]]


def quantus_explain_func(explainer: Explainer) -> ExplainFunc:
    """An ``explain_func`` for Quantus: ``(model, inputs, targets, **kwargs)`` → masks (N, 1, H, W), float32 in [0, 1].

    ``inputs`` are normalised images, (N, 3, H, W), ``targets`` an array (N,) of class indices or None (each image's
    most probable class). Other keyword arguments (Quantus hands over its device) change nothing.

    An Explainer explains one classifier, so a ``model`` with other weights is refused: metrics that randomise the model
    and explain it anew (MPRT) cannot be asked of it.

    Raises:
        InputError: another model; inputs or targets that do not fit.
    """
    classifier = explainer.explanandum

    def explain(model: Any, inputs: Any, targets: Any = None, **_: Any) -> NDArray[np.float32]:
        _check_model(model, classifier.module)
        images = _images(inputs, explainer)
        target = None if targets is None else _indices(np.asarray(targets).reshape(-1).tolist(), explainer, len(images))
        return _masks(explainer, images, target)[:, None]

    return explain


class GradCamAdapter:
    """An Explainer that is called as pytorch-grad-cam's methods are.

    ``cam(input_tensor=images, targets=targets)`` → (N, H, W), float32 in [0, 1]: raw masks, not stretched to their
    minimum and maximum as pytorch-grad-cam stretches its own. ``targets`` has one entry for each image, a class index,
    a class name or a ``ClassifierOutputTarget``; None takes each image's most probable class. As a context manager it
    has nothing to release.

    Raises:
        InputError: more or fewer targets than images, a target of another kind, or smoothing, which Explainers have
            not.
    """

    def __init__(self, explainer: Explainer) -> None:
        self.explainer = explainer
        self.model = explainer.explanandum

    def __call__(
        self,
        input_tensor: Tensor,
        targets: Sequence[Any] | None = None,
        aug_smooth: bool = False,
        eigen_smooth: bool = False,
    ) -> NDArray[np.float32]:
        if aug_smooth or eigen_smooth:
            raise InputError("aug_smooth and eigen_smooth belong to class activation maps; leave them out.")
        images = _images(input_tensor, self.explainer)
        wanted = None if targets is None else _indices(targets, self.explainer, len(images))
        return _masks(self.explainer, images, wanted)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        """There are no hooks to release."""


def grad_cam_adapter(explainer: Explainer) -> GradCamAdapter:
    """See :class:`GradCamAdapter`."""
    return GradCamAdapter(explainer)


def captum_attribution(explainer: Explainer) -> Any:
    """A ``captum.attr.Attribution``, for what takes one: ``NoiseTunnel(captum_attribution(explainer))``.

    Its ``attribute(inputs, target=None)`` is :meth:`explanans.Explainer.attribute`, which is all that captum's metrics
    and pictures need.

    Raises:
        InputError: captum is not installed.
    """
    try:
        from captum.attr import Attribution
        from captum.log import log_usage
    except ImportError as error:
        raise InputError("captum is not installed; pip install 'explanans[captum]'.") from error

    class ExplainerAttribution(Attribution):
        # NoiseTunnel calls what this decorator wraps.
        @log_usage()
        def attribute(self, inputs: Tensor, target: Target | None = None) -> Tensor:
            return explainer.attribute(inputs, target)

        def has_convergence_delta(self) -> bool:
            return False

    return ExplainerAttribution(explainer.explanandum)


def _masks(explainer: Explainer, images: Tensor, target: Tensor | None) -> NDArray[np.float32]:
    return explainer.attribute(images, target)[:, 0].float().cpu().numpy()


def _images(inputs: Any, explainer: Explainer) -> Tensor:
    images = torch.as_tensor(inputs).detach().to(like(explainer.network))
    channels = explainer.explanandum.preprocessing.channels
    if images.ndim != 4 or images.shape[1] != channels:
        raise InputError(f"inputs have the shape {tuple(images.shape)}; give normalised images (N, {channels}, H, W).")
    return images


def _indices(targets: Iterable[Any], explainer: Explainer, count: int) -> Tensor:
    """One class for each image, by index, by name, or by pytorch-grad-cam's object that has a ``category``."""
    found = []
    for target in targets:
        plain = getattr(target, "category", target)
        if isinstance(plain, float) and plain.is_integer():
            plain = int(plain)
        if hasattr(plain, "item"):
            plain = plain.item()
        if not isinstance(plain, str | int):
            raise InputError(
                f"targets: a {type(target).__name__} names no class; give a class index, a class name or a "
                "ClassifierOutputTarget for each image."
            )
        found.append(class_index(plain, explainer.classes))
    if len(found) != count:
        raise InputError(f"targets has {len(found)} entries for {count} images; give one for each.")
    return torch.tensor(found, dtype=torch.long)


def _check_model(model: Any, module: nn.Module) -> None:
    if model is module:
        return
    if not isinstance(model, nn.Module):
        raise InputError(f"model is a {type(model).__name__}; give the torch module that the Explainer explains.")
    # By value and in order: a wrapper changes names only, and Quantus copies.
    theirs, own = list(model.state_dict().values()), list(module.state_dict().values())
    same = len(theirs) == len(own) and all(
        a.shape == b.shape and torch.equal(a.to(b.device), b) for a, b in zip(theirs, own, strict=True)
    )
    if not same:
        raise InputError(
            "model: has other weights than the classifier that the Explainer was trained for; its masks would explain "
            "something else. Metrics that randomise the model cannot be asked of an Explainer."
        )
