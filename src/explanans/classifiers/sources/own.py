"""explanans:NAME, the small classifiers of this package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from explanans.classifiers.sources.shared.base import WRONG_SETTINGS, Loaded, Source, unfit_settings
from explanans.errors import InputError
from explanans.utils.text import did_you_mean
from explanans.utils.typed import settings_of


def _own(name: str) -> Callable[..., nn.Module]:
    from explanans.classifiers import CLASSIFIERS

    if name not in CLASSIFIERS:
        near = did_you_mean(name, CLASSIFIERS)
        raise InputError(f"there is no classifier explanans:{name}{near}; take one of {sorted(CLASSIFIERS)}.")
    return CLASSIFIERS[name]


def load_own(name: str, weights: str | Path | None) -> Loaded:
    _own(name)
    raise InputError(
        f"explanans:{name} has no published weights, so it can only be trained or loaded from the folder that training "
        f"saved. Train it: explanans classifier fit explanans:{name} DATA"
    )


def own_settings(name: str) -> dict[str, Any]:
    return settings_of(_own(name))


def build_own(source: Source) -> nn.Module:
    try:
        return _own(source.spec.partition(":")[2])(**source.arguments)
    except WRONG_SETTINGS as error:
        raise unfit_settings(source, error) from error
