"""Something of the user's own package, by its name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from explanans.errors import InputError
from explanans.utils.text import did_you_mean


def imported(spec: str, package: str, name: str) -> Callable[..., Any]:
    """The function or class ``name`` of ``package``.

    Args:
        spec: the classifier's whole name, for errors.

    Raises:
        InputError: there is no such module, or nothing of that name in it that can be called.
    """
    try:
        module = importlib.import_module(package)
    except (ImportError, ValueError) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
        near = did_you_mean(missing, [each.name for each in pkgutil.iter_modules()]) if missing == package else ""
        raise InputError(
            f"classifier {spec!r}: {error}{near}. Name an importable module and a function in it."
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        own = [each for each in dir(module) if callable(getattr(module, each)) and not each.startswith("_")]
        fault = f"has no {name!r}" if found is None else f"has a {type(found).__name__} called {name!r}"
        raise InputError(
            f"classifier {spec!r}: {package} {fault}{did_you_mean(name, own)}; name a function or a class in it."
        )
    return found
