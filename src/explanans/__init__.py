"""Which pixels speak for which class: masks for every class of an image classifier, in one forward pass."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from explanans.version import __version__

if TYPE_CHECKING:
    from explanans.classifiers.explanandum import Explanandum
    from explanans.data import open_dataset
    from explanans.errors import InputError
    from explanans.explainers.explainer import Explainer
    from explanans.explanations.explain import explain
    from explanans.explanations.explanation import Explanation
    from explanans.images.preprocessing import Preprocessing
    from explanans.training import Optimizer, Run, fit

# Looked up on first use, because torch alone takes seconds to import.
_HOMES = {
    "Explainer": "explainers.explainer",
    "Explanandum": "classifiers.explanandum",
    "Explanation": "explanations.explanation",
    "InputError": "errors",
    "Optimizer": "training",
    "Preprocessing": "images.preprocessing",
    "Run": "training",
    "explain": "explanations.explain",
    "fit": "training",
    "open_dataset": "data",
}

__all__ = [
    "Explainer",
    "Explanandum",
    "Explanation",
    "InputError",
    "Optimizer",
    "Preprocessing",
    "Run",
    "__version__",
    "explain",
    "fit",
    "open_dataset",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"explanans.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'explanans' has no attribute {name!r}")
