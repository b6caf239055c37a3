"""What a data set is called: ``voc:PATH``, ``voc:2007``, ``voc:2007?task=segmentation&difficult=false``."""

from __future__ import annotations

import inspect
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from explanans.data.download.published import PLACES, data_root
from explanans.errors import InputError

# What open_dataset is given by other means.
_RESERVED = ("split", "classes", "preprocessing", "augment", "cache")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def split_spec(rest: str) -> tuple[str, str]:
    """What follows the scheme → path and options; a path that exists with its question mark is one."""
    if Path(rest).expanduser().exists():
        return rest, ""
    path, _, options = rest.partition("?")
    return path, options


def locate(scheme: str, path: str) -> Path:
    """The folder of a published data set that goes by its year, or the path that was given.

    Raises:
        InputError: the published data set is not there.
    """
    name = f"{scheme}:{path}"
    if name not in PLACES:
        return Path(path).expanduser()
    place = data_root() / PLACES[name]
    if not place.is_dir():
        year = f" --year {path}" if scheme == "voc" else ""
        raise InputError(
            f"data {name!r}: {place} is not there. Fetch it: explanans data {scheme}{year}. Or where it lies "
            f"elsewhere, set EXPLANANS_DATA to the folder that holds {PLACES[name]}, or write {scheme}:PATH."
        )
    return place


def parse_options(text: str, factory: Callable[..., Any], spec: str) -> Mapping[str, Any]:
    """``"task=main&difficult=false"`` → keyword arguments for ``factory``, of the types that its signature has.

    Raises:
        InputError: an option that the data set does not have, one twice, or a value of another type.
    """
    if not text:
        return {}
    hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory)
    # The first is the place itself.
    _, *others = inspect.signature(factory).parameters
    known = {name: hints[name] for name in others if name not in _RESERVED}
    options: dict[str, Any] = {}
    for pair in text.split("&"):
        name, equals, value = pair.partition("=")
        if not equals or name not in known or name in options:
            fault = "is given twice" if name in options else "is no option of it" if equals else "has no value"
            forms = ", ".join(f"{each}=…" for each in known) or "none"
            raise InputError(f"data {spec!r}: {name!r} {fault}; its options are {forms}, joined by &.")
        options[name] = _value(urllib.parse.unquote(value), known[name], f"data {spec!r}: {pair!r}")
    return options


def _value(text: str, hint: Any, where: str) -> Any:
    kinds = get_args(hint) or (hint,)
    if NoneType in kinds and text.lower() in ("none", "null"):
        return None
    if bool in kinds:
        if text.lower() not in _TRUTH:
            raise InputError(f"{where} is neither true nor false.")
        return _TRUTH[text.lower()]
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError as error:
                raise InputError(f"{where} is no {'whole ' if kind is int else ''}number.") from error
    return text
