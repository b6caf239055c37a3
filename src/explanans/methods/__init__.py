"""Attribution methods to compare with: ``method(x, targets, generator) → maps``, one signature for all.

Only the chosen one is imported: some need an extra.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.base import Method


@dataclass(frozen=True)
class Entry:
    """A method as it is listed.

    Args:
        title: how papers write it.
        path: module and class, made as ``class(explanandum, **settings)``.
        normalisation: step of :data:`explanans.metrics.NORMALISATIONS` that makes masks of its raw maps: "raw" where
            they are masks in [0, 1] already.
        settings: what its constructor is given besides.
        extra: name of the extra (``pip install explanans[extra]``) that it needs, or None.
    """

    title: str
    path: str
    normalisation: str = "minmax"
    settings: Mapping[str, Any] = field(default_factory=dict)
    extra: str | None = None


METHODS: dict[str, Entry] = {
    "explainer": Entry("Explainer", "explanans.explainers.method:ExplainerMethod", "raw"),
    "grad_cam": Entry("Grad-CAM", "explanans.methods.grad_cam:GradCAM"),
    "grad_cam_pp": Entry("Grad-CAM++", "explanans.methods.cam_variants:GradCAMPlusPlus"),
    "layer_cam": Entry("LayerCAM", "explanans.methods.cam_variants:LayerCAM"),
    "score_cam": Entry("Score-CAM", "explanans.methods.score_cam:ScoreCAM"),
    "guided_backprop": Entry("Guided Backpropagation", "explanans.methods.guided_backprop:GuidedBackprop"),
    "attention_rollout": Entry("attention rollout", "explanans.methods.attention_rollout:AttentionRollout"),
    "attention_relevance": Entry(
        "attention relevance",
        "explanans.methods.attention_rollout:AttentionRollout",
        settings={"weighting": "gradient"},
    ),
    "integrated_gradients": Entry(
        "Integrated Gradients", "explanans.methods.path_gradients:IntegratedGradientsMethod", extra="captum"
    ),
    "smoothgrad": Entry("SmoothGrad", "explanans.methods.path_gradients:SmoothGrad", extra="captum"),
    "gradient_shap": Entry("GradientSHAP", "explanans.methods.path_gradients:GradientSHAP", extra="captum"),
    "deeplift": Entry("DeepLIFT", "explanans.methods.deeplift:DeepLIFT", extra="captum"),
    "occlusion": Entry("Occlusion", "explanans.methods.occlusion:OcclusionMethod", extra="captum"),
    "lime": Entry("LIME", "explanans.methods.lime_and_kernel_shap:LIME", extra="captum"),
    "kernel_shap": Entry("KernelSHAP", "explanans.methods.lime_and_kernel_shap:KernelSHAP", extra="captum"),
    "rtis": Entry("RTIS", "explanans.explainers.method:ExplainerMethod", "raw"),
    "spread_cam": Entry("Spread-CAM", "explanans.methods.spread_cam:SpreadCAM", "raw"),
    "rise": Entry("RISE", "explanans.methods.rise:RISE"),
    "extremal_perturbation": Entry(
        "Extremal Perturbations", "explanans.methods.extremal_perturbation:ExtremalPerturbation", "raw"
    ),
    "igos_pp": Entry("iGOS++", "explanans.methods.igos_pp:IGOSpp", "raw"),
    "constant_0": Entry("constant 0", "explanans.methods.constant:Constant", "raw", {"value": 0.0}),
    "constant_0.5": Entry("constant 0.5", "explanans.methods.constant:Constant", "raw", {"value": 0.5}),
    "constant_1": Entry("constant 1", "explanans.methods.constant:Constant", "raw", {"value": 1.0}),
    "constant_seen": Entry("whole image if seen", "explanans.methods.constant:WholeIfSeen", "raw"),
}

BLACK_BOX = (
    "explainer",
    "rtis",
    "rise",
    "occlusion",
    "lime",
    "kernel_shap",
    *(n for n in METHODS if n.startswith("constant")),
)
"""Methods that only ask for answers; the others look inside the classifier."""

__all__ = ["BLACK_BOX", "METHODS", "Entry", "Method", "make_method"]


def make_method(name: str, explanandum: Explanandum, **settings: Any) -> Method:
    """The method called ``name`` for a classifier; ``settings`` go to its constructor.

    Raises:
        InputError: an unknown name, a setting that the method does not have, an extra that is not installed, or
            a classifier without gradients for a method that needs them.
    """
    if name not in METHODS:
        raise InputError(f"method {name!r} is not known; take one of {', '.join(METHODS)}.")
    if name not in BLACK_BOX:
        explanandum.require_gradients(f"method {name!r}")
    entry = METHODS[name]
    module, _, kind = entry.path.partition(":")
    try:
        build = getattr(importlib.import_module(module), kind)
    except ModuleNotFoundError as error:
        if entry.extra is None:
            raise
        raise InputError(
            f"method {name!r} needs {error.name}, which is not installed: pip install 'explanans[{entry.extra}]'."
        ) from error
    try:
        return build(explanandum, **{**entry.settings, **settings})
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise InputError(f"method {name!r}: {error}.") from error
