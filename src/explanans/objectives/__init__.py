"""What an Explainer is trained to do; a new objective is a new file and a line in ``OBJECTIVES``."""

from __future__ import annotations

import dataclasses
from typing import Any

from explanans.errors import InputError
from explanans.objectives.base import Objective
from explanans.objectives.dabkowski2017 import Dabkowski2017
from explanans.objectives.guided import Guided
from explanans.objectives.stalder2022 import Stalder2022

OBJECTIVES: dict[str, type[Any]] = {
    "stalder2022": Stalder2022,
    "dabkowski2017": Dabkowski2017,
    "guided": Guided,
}

__all__ = ["OBJECTIVES", "Dabkowski2017", "Guided", "Objective", "Stalder2022", "make_objective"]


def make_objective(name: str, **settings: Any) -> Objective:
    """An objective by name, with its settings.

    Raises:
        InputError: unknown name or setting; the message lists the known ones.
    """
    if name not in OBJECTIVES:
        raise InputError(f"objective={name!r}; take one of {sorted(OBJECTIVES)}.")
    known = {field.name: field.default for field in dataclasses.fields(OBJECTIVES[name])}
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise InputError(f"objective {name!r} has no setting {', '.join(unknown)}; it has {known}.")
    return OBJECTIVES[name](**settings)
