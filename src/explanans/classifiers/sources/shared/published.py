"""Weights that a library fetches, or the file to put where there is no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from explanans.errors import InputError


def where_to_get(url: str) -> str:
    """Without a network: which file belongs where, to go on in an error message."""
    return f"fetch {url} elsewhere and put it into {Path(torch.hub.get_dir()) / 'checkpoints'}"


def published(name: str, build_it: Callable[[], nn.Module], url: str | None = None) -> nn.Module:
    try:
        return build_it()
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"{name}: the published weights could not be loaded ({type(error).__name__}: {error}). Without a network, "
            f"{where_to_get(url) + ', or' if url else 'fetch the file elsewhere and'} pass weights=FILE (--weights "
            "FILE; .safetensors or a state dict)."
        ) from error


def refuse_random_head(spec: str, arguments: Mapping[str, object]) -> None:
    """Published weights have the classes that they were published with; another number would be a random head."""
    if "num_classes" in arguments:
        raise InputError(
            f"classifier {spec!r}: no weights were published for num_classes; pass your own as weights=FILE (--weights "
            "FILE), or leave num_classes out."
        )
