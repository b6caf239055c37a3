"""What an Explainer is trained to do; a new objective is a new file and a line in ``OBJECTIVES``."""

from __future__ import annotations

from typing import Any

from explanans.errors import InputError
from explanans.objectives.base import Objective
from explanans.objectives.dabkowski2017 import Dabkowski2017
from explanans.objectives.guided import Guided
from explanans.objectives.stalder2022 import Stalder2022
from explanans.utils.text import did_you_mean
from explanans.utils.typed import convert

OBJECTIVES: dict[str, type[Any]] = {
    "stalder2022": Stalder2022,
    "dabkowski2017": Dabkowski2017,
    "guided": Guided,
}

__all__ = ["OBJECTIVES", "Dabkowski2017", "Guided", "Objective", "Stalder2022", "make_objective"]


def make_objective(name: str, **settings: Any) -> Objective:
    """An objective by name, with its settings.

    Raises:
        InputError: unknown name or setting, where the message lists the known ones; or a value of another type.
    """
    if name not in OBJECTIVES:
        near = did_you_mean(name, OBJECTIVES)
        raise InputError(f"objective={name!r}{near}; take one of {', '.join(sorted(OBJECTIVES))}.")
    return convert(settings, OBJECTIVES[name], f"objective {name!r}")
