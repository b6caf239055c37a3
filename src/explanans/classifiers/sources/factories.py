"""package.module:factory, a function or class of the user's that returns the module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from explanans.classifiers.sources.shared.base import Loaded, Source
from explanans.classifiers.sources.shared.imported import imported
from explanans.classifiers.sources.shared.weights import load_weights
from explanans.errors import InputError


def _call_factory(spec: str, arguments: Mapping[str, Any]) -> nn.Module:
    package, _, name = spec.partition(":")
    module = imported(spec, package, name)(**arguments)
    if not isinstance(module, nn.Module):
        raise InputError(f"classifier {spec!r} returned a {type(module).__name__}; it must return a torch.nn.Module.")
    return module


def load_factory(spec: str, weights: str | Path | None) -> Loaded:
    module = _call_factory(spec, {})
    if weights is not None:
        load_weights(module, weights)
    return Loaded(module, Source(spec))


def build_factory(source: Source) -> nn.Module:
    return _call_factory(source.spec, source.arguments)
