"""Which method explains a classifier where nobody says, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import grey_image
from explanans.errors import InputError
from explanans.methods import Method, make_method

CALLS = 1000
"""Pictures that a classifier without gradients is asked for each explanation."""


@dataclass(frozen=True)
class Choice:
    """A method that was made for a classifier.

    Attributes:
        name: as in :data:`explanans.methods.METHODS`.
        settings: what it was made with.
        why: in words, to go after its name.
        method: made for the classifier.
    """

    name: str
    settings: Mapping[str, Any]
    why: str
    method: Method


_CHOICES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("spread_cam", {}, "the best without training for a network with layers"),
    ("spread_cam", {"scale": 1.0}, "the best without training for a network with layers that takes one size"),
    ("grad_cam", {}, "the network has no layer as fine as Spread-CAM needs"),
)

# What libraries raise for an image of another size than they were made for.
_REFUSALS = (InputError, AssertionError, RuntimeError, ValueError)


def choose_method(explanandum: Explanandum, calls: int = CALLS) -> Choice:
    """The best method without training that the classifier allows.

    A network with layers that know where things are: Spread-CAM, which enlarges the images where the network takes
    that. Without gradients, or without such layers: RISE, which asks ``calls`` times per image. What was measured of
    these stands in docs/predict-and-explain.md.
    """
    why = "the classifier gives no gradients"
    if explanandum.differentiable:
        for name, settings, reason in _CHOICES:
            method = method_that_fits(name, settings, explanandum)
            if method is not None:
                return Choice(name, settings, reason, method)
        why = "no layer of the classifier can be watched"
    settings = {"masks": calls}
    why = f"{why}; it is asked {calls} times for each image"
    return Choice("rise", settings, why, make_method("rise", explanandum, **settings))


def method_that_fits(name: str, settings: Mapping[str, Any], explanandum: Explanandum) -> Method | None:
    """The method, if it has a map of a grey image: some networks take one size only, some have no fine layer."""
    try:
        method = make_method(name, explanandum, **settings)
        method(grey_image(explanandum), [0])
    except _REFUSALS:
        return None
    return method
