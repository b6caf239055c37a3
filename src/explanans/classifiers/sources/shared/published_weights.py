"""Weights that a library fetches, or the file to put where there is no network."""

from __future__ import annotations

import pickle
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from explanans.errors import InputError
from explanans.utils.network import hub_or_cache, unreachable
from explanans.utils.text import shortened

Built = TypeVar("Built")


def where_to_get(url: str) -> str:
    """Without a network: which file belongs where, to go on in an error message."""
    return f"fetch {url} elsewhere and put it into {Path(torch.hub.get_dir()) / 'checkpoints'}"


def _cached(url: str) -> Path:
    """The file that PyTorch keeps of an address."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urllib.parse.urlparse(url).path).name


def fetched(build_it: Callable[[], Built], url: str | None = None) -> Built:
    """What ``build_it`` makes with weights that its library fetches, or has in its cache.

    Args:
        url: of the file that PyTorch fetches; None where it is the Hugging Face hub that has it.

    Raises:
        ConnectionError: the server is out of reach, and the cache has them not; known after seconds, where libraries
            try for a minute.
    """
    if url is not None:
        if not _cached(url).is_file() and (reason := unreachable(url)):
            raise ConnectionError(reason)
        return build_it()
    with hub_or_cache() as reason:
        try:
            return build_it()
        except (OSError, RuntimeError) as error:
            if not reason:
                raise
            raise ConnectionError(reason) from error


def published(
    name: str, build_it: Callable[[], nn.Module], url: str | None = None, page: str | None = None
) -> nn.Module:
    """:func:`fetched`, with advice where that fails.

    Args:
        page: of the hub, which has the file.

    Raises:
        InputError: the weights cannot be had.
    """
    try:
        return fetched(build_it, url)
    except (OSError, RuntimeError, pickle.UnpicklingError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        cause = shortened(error if isinstance(error, ConnectionError) else f"{type(error).__name__}: {error}")
        if url is not None and isinstance(error, pickle.UnpicklingError):
            cause = f"{_cached(url)} holds no weights, perhaps the log-in page of a network: delete it"
        raise InputError(
            f"{name}: the published weights could not be loaded ({cause}). Without a network, "
            f"{where_to_get(url) + ', or' if url else f'fetch the file of {page or name} elsewhere and'} pass "
            "weights=FILE (--weights FILE; .safetensors or a state dict)."
        ) from error


def refuse_random_head(spec: str, arguments: Mapping[str, object]) -> None:
    """Published weights have the classes that they were published with; another number would be a random head."""
    if "num_classes" in arguments:
        raise InputError(
            f"classifier {spec!r}: no weights were published for num_classes; pass your own as weights=FILE (--weights "
            "FILE), or leave num_classes out."
        )
