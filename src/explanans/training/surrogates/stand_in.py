"""A saved surrogate, taken for the box that it was trained on and for no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from explanans.classifiers import sources
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.training.surrogates.fidelity import Fidelity, Limits
from explanans.utils.records import reading

SAVED = sources.described(
    "surrogate",
    {
        "box": {"weights_hash": str, "classes": [str], "activation": str, "preprocessing": dict},
        **{"fidelity": {"whole": dict, "masked": dict}, "calls": dict},
    },
)


def load_surrogate(
    folder: str | Path,
    box: Explanandum,
    *,
    allow_poor: bool = False,
    trust_factory: bool = False,
    limits: Limits | None = None,
) -> tuple[Explanandum, dict[str, Any]]:
    """The surrogate in a folder of ``explanans surrogate fit``, and what an Explainer's facts say of it.

    Args:
        folder: of the surrogate.
        box: what is to be explained.
        allow_poor: take it whatever its fidelity.
        trust_factory: as for :meth:`Explanandum.load`, where the surrogate's architecture is a factory.
        limits: of its fidelity.

    Raises:
        InputError: no surrogate, one of another box, or one whose fidelity is below the limits (unless allowed).
    """
    folder = Path(folder)
    config = sources.read_config(folder, sources.CONFIG, SAVED, "explanans surrogate fit")
    own = json.loads(json.dumps(box.identity()))
    different = [
        key for key in ("weights_hash", "classes", "activation", "preprocessing") if own[key] != config["box"][key]
    ]
    if different:
        raise InputError(
            f"{folder} stands in for another classifier: {', '.join(different)} differ. Train a surrogate of this one: "
            "explanans surrogate fit."
        )
    with reading(folder / sources.CONFIG, SAVED):
        fidelity = Fidelity.from_dict(config["fidelity"])
    if not allow_poor:
        fidelity.require(limits or Limits())
    surrogate = Explanandum.load(folder, trust_factory=trust_factory)
    return surrogate, {"weights_hash": surrogate.weights_hash, "fidelity": fidelity.to_dict(), "calls": config["calls"]}
