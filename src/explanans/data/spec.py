"""What a data set is called: ``voc:PATH``, ``voc:2007``, ``voc:2007?task=segmentation&difficult=false``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from explanans.data.download.published import PLACES, data_root
from explanans.errors import InputError
from explanans.utils.paths import user_path
from explanans.utils.query_options import split_options
from explanans.utils.typed import settings_of

# What open_dataset is given by other means.
_RESERVED = ("split", "classes", "preprocessing", "augment", "cache")


def split_spec(rest: str, factory: Callable[..., Any], spec: str) -> tuple[str, Mapping[str, Any]]:
    """What follows the scheme → path, and keyword arguments for ``factory``.

    Raises:
        InputError: an option that the data set does not have, one twice, or a value of another type.
    """
    # The first parameter is where the data lie, whatever the data set calls it.
    first = next(iter(inspect.signature(factory).parameters))
    return split_options(rest, settings_of(factory, without=(first, *_RESERVED)), f"data {spec!r}")


def locate(scheme: str, path: str) -> Path:
    """The folder of a published data set that goes by its year, or the path that was given.

    Raises:
        InputError: the published data set is not there.
    """
    name = f"{scheme}:{path}"
    if name not in PLACES:
        return user_path(path, "data")
    place = data_root() / PLACES[name]
    if not place.is_dir():
        year = f" --year {path}" if scheme == "voc" else ""
        raise InputError(
            f"data {name!r}: {place} is not there. Fetch it: explanans data {scheme}{year}. Or where it lies "
            f"elsewhere, set EXPLANANS_DATA to the folder that holds {PLACES[name]}, or write {scheme}:PATH."
        )
    return place
