"""SciPy's and scikit-image's functions on regions, which come with the extra ``regions``."""

from __future__ import annotations

import importlib
from typing import Any

from explanans.errors import InputError


def library(name: str) -> Any:
    """A module of theirs: "scipy.ndimage", "skimage.morphology", …

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(
            "regions need scikit-image, which is not installed: pip install 'explanans[regions]'."
        ) from error
