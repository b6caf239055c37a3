"""The lines of a shell and of Python that give what a page shows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from explanans.images.preprocessing import Preprocessing
from explanans.utils.text import printable


@dataclass(frozen=True)
class Repeat:
    """Lines that a page completes with a photo, classes and a cut.

    Attributes:
        name: of who explains, as a title.
        command: ``explanans explain WHO`` with its options.
        load: of Python, which make ``who``.
        options: of Python's ``explain``, each with a comma before it.
    """

    name: str
    command: str
    load: str
    options: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Who:
    """Who explains, as a user named it.

    Attributes:
        name: see :class:`explanans.explainers.named.Named`.
        is_explainer: it is a trained Explainer's.
        method, method_options: as given.
        load_options: of ``Explanandum.load`` and the command alike, as given.
    """

    name: str
    is_explainer: bool
    method: str | None = None
    method_options: Mapping[str, Any] = field(default_factory=dict)
    load_options: Mapping[str, Any] = field(default_factory=dict)


def repeat_lines(who: Who) -> Repeat:
    """What is not given, None, stays away."""
    load = {name: value for name, value in who.load_options.items() if value not in (None, False)}
    chosen: dict[str, Any] = {"method": who.method, "method_options": dict(who.method_options) or None}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    words = ["explanans", "explain", who.name]
    for name, value in {**load, **chosen}.items():
        # What the classes of a classifier are is called class_names where classes are those to be explained.
        words += _words("class_names" if name == "classes" else name, value)
    kind = "Explainer" if who.is_explainer else "Explanandum"
    imports = f"{kind}, Preprocessing" if "preprocessing" in load else kind
    maker = "Explainer.from_pretrained" if who.is_explainer else "Explanandum.load"
    given = "".join(f", {name}={value!r}" for name, value in load.items())
    return Repeat(
        printable(Path(who.name).name),
        " ".join(map(shlex.quote, words)),
        f"import explanans\nfrom explanans import {imports}\n\nwho = {maker}({who.name!r}{given})",
        "".join(f", {name}={value!r}" for name, value in chosen.items()),
    )


def _words(name: str, value: Any) -> list[str]:
    if value is True:
        return [f"--{name}"]
    if isinstance(value, Mapping | Preprocessing):
        # JSON is YAML too.
        return [f"--{name}", json.dumps(value.to_dict() if isinstance(value, Preprocessing) else dict(value))]
    if isinstance(value, list | tuple):
        return [f"--{name}", ",".join(map(str, value))]
    return [f"--{name}", str(value)]
