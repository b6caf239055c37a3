"""A folder that Explanandum.save wrote."""

from __future__ import annotations

from pathlib import Path
from types import NoneType

from explanans.classifiers.sources.families import FILES, NAMED, build, load_named
from explanans.classifiers.sources.shared.base import Loaded, Source
from explanans.classifiers.sources.shared.weights import CONFIG, WEIGHTS, described, load_weights, read_config
from explanans.classifiers.sources.torchvision_detectors import is_detector
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.records import reading
from explanans.utils.typed import convert

SAVED = described(
    "classifier",
    {
        **{"source": (dict, NoneType), "classes": [str], "activation": str, "preprocessing": dict},
        "weights_hash": str,
    },
)


def load_folder(folder: Path, *, weights: str | Path | None, trust_factory: bool) -> Loaded:
    config = read_config(folder, CONFIG, SAVED, "Explanandum.save")
    if config["source"] is None and not (folder / WEIGHTS).is_file():
        raise InputError(
            f"{folder} was saved from a function in hand, which is not in it; make the classifier again with "
            "Explanandum.from_function, or name the function: function:package.module:name."
        )
    if config["source"] is None:
        raise InputError(
            f"{folder} was saved from a module in hand, so its architecture is not known; build the module, load "
            f"{folder / WEIGHTS} into it with explanans.classifiers.sources.load_weights and wrap it in Explanandum."
        )
    with reading(folder / CONFIG, SAVED):
        source = convert(config["source"], Source, "source")
        preprocessing = Preprocessing.from_dict(config["preprocessing"])
    scheme, _, name = source.spec.partition(":")
    if scheme not in NAMED and not trust_factory:
        raise InputError(
            f"{folder} names the factory {source.spec!r}; loading it would run that code. If you trust it, pass "
            "trust_factory=True."
        )
    _check_number_of_classes(folder, source, len(config["classes"]))
    check = None
    if scheme in FILES:
        loaded = load_named(f"{scheme}:{folder / name}", weights, trust_factory)
        module, check = loaded.module, loaded.check
    elif scheme == "function":
        module = load_named(source.spec, weights, trust_factory).module
    else:
        module = build(source)
        load_weights(module, weights or folder / WEIGHTS)
    return Loaded(
        module,
        source,
        config["classes"],
        config["activation"],
        preprocessing,
        config["weights_hash"] if weights is None else None,
        check,
    )


def _check_number_of_classes(folder: Path, source: Source, named: int) -> None:
    """Before a network is built whose head may be larger than the memory."""
    scheme, _, name = source.spec.partition(":")
    # As torchvision counts, a detector's classes have the background among them.
    own = named + 1 if scheme == "torchvision" and is_detector(name) else named
    asked = source.arguments.get("num_classes", own)
    if scheme in NAMED and asked != own:
        raise InputError(
            f"{folder / CONFIG} ({SAVED.name}) names {named:,} classes, and its source has num_classes={asked!r}; "
            f"{SAVED.remedy}."
        )
