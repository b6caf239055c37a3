"""Which method explains a classifier where nobody says, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import REFUSALS, grey_image
from explanans.errors import InputError
from explanans.methods import Method, Occlusion, make_method

CALLS = 400
"""Pictures that a classifier without gradients is asked for each map, at most."""

FINEST = 18
"""Places of Occlusion's square in a row; with more of them, and smaller squares, nothing was measured."""


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
    (
        "spread_cam",
        {"scale": 1.0},
        "the best without training for a network that takes one size, as vision transformers do",
    ),
    ("grad_cam", {}, "the network has no layer as fine as Spread-CAM needs"),
)


def choose_method(explanandum: Explanandum, calls: int = CALLS, batch_size: int = 16) -> Choice:
    """The best method without training that the classifier allows.

    A network with layers that know where things are: Spread-CAM, which enlarges the images where the network takes
    that. Without gradients, or without such layers: Occlusion, which asks up to ``calls`` times per image. What was
    measured of these stands in docs/which-method.md.

    Args:
        calls: see above.
        batch_size: covered images in one forward pass of Occlusion.

    Raises:
        InputError: ``calls`` is too small for any square to move.
    """
    why = "the classifier gives no gradients"
    if explanandum.differentiable:
        for name, settings, reason in _CHOICES:
            method = method_that_fits(name, settings, explanandum)
            if method is not None:
                return Choice(name, settings, reason, method)
        why = "no layer of the classifier can be watched"
    settings, needed = _squares(explanandum, calls)
    why = f"{why}; it is asked {needed} times for each image"
    return Choice("occlusion", settings, why, make_method("occlusion", explanandum, **settings, batch_size=batch_size))


def _squares(explanandum: Explanandum, calls: int) -> tuple[dict[str, Any], int]:
    """Occlusion with as many places as ``calls`` allow, squares of three steps; and how often it asks."""
    size = explanandum.preprocessing.height, explanandum.preprocessing.width
    for across in range(FINEST, 0, -1):
        stride = 1 / (across + 2)
        settings: dict[str, Any] = {"window": 3 * stride, "stride": stride}
        needed = Occlusion(explanandum, **settings).questions(*size)
        if needed <= calls:
            return settings, needed
    raise InputError(f"calls={calls}: Occlusion asks at least {needed} times for each image; allow that many.")


def method_that_fits(name: str, settings: Mapping[str, Any], explanandum: Explanandum) -> Method | None:
    """The method, if it has a map of a grey image: some networks take one size only, some have no fine layer."""
    try:
        method = make_method(name, explanandum, **settings)
        method(grey_image(explanandum), [0])
    except REFUSALS:
        return None
    return method
