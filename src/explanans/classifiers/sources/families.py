"""Every kind of source by its scheme; a new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn

from explanans.classifiers.sources.factories import build_factory, load_factory
from explanans.classifiers.sources.functions import load_function
from explanans.classifiers.sources.hugging_face import build_hugging_face, load_hugging_face
from explanans.classifiers.sources.onnx_file import load_onnx
from explanans.classifiers.sources.own import build_own, load_own, own_settings
from explanans.classifiers.sources.programs import load_export, load_torchscript
from explanans.classifiers.sources.sample import NAME as SAMPLE
from explanans.classifiers.sources.sample import build_sample, load_sample
from explanans.classifiers.sources.shared.base import TOO_LARGE, Loaded, Source, unfit_settings
from explanans.classifiers.sources.timm_models import SETTINGS as TIMM_SETTINGS
from explanans.classifiers.sources.timm_models import build_timm, load_timm
from explanans.classifiers.sources.torchvision_models import (
    build_torchvision,
    load_torchvision,
    torchvision_settings,
)
from explanans.errors import InputError
from explanans.utils.paths import near_path
from explanans.utils.query_options import split_options
from explanans.utils.text import nearest
from explanans.utils.typed import check_settings

BUILT: dict[str, tuple[Callable[[str, str | Path | None], Loaded], Callable[[Source], nn.Module]]] = {
    "timm": (load_timm, build_timm),
    "torchvision": (load_torchvision, build_torchvision),
    "hf": (load_hugging_face, build_hugging_face),
    "explanans": (load_own, build_own),
    "sample": (load_sample, build_sample),
}
"""Architectures that a library builds: how to load one by name, and how to build it for weights that were saved."""

SETTINGS: dict[str, Callable[[str], Mapping[str, Any]]] = {
    "timm": lambda name: TIMM_SETTINGS,
    "torchvision": torchvision_settings,
    "explanans": own_settings,
}
"""What may be said of an architecture of ``BUILT``, with types; nothing else is passed on to the library."""

FILES: dict[str, Callable[[str, str | Path | None, bool], Loaded]] = {
    "torchscript": load_torchscript,
    "export": load_export,
    "onnx": lambda name, weights, trust: load_onnx(name, weights),
}
"""Files that are the whole classifier."""

MANY = ("timm", "torchvision", "hf")
"""Those of ``BUILT`` with more names than a message could list."""

SUFFIXES = {".onnx": "onnx", ".pt2": "export", ".pt": "torchscript"}
"""Which of ``FILES`` a file is likely to be."""

NAMED = (*BUILT, *FILES)
"""Schemes that run no code of a package that a saved folder names."""


def load_named(spec: str, weights: str | Path | None, trust_factory: bool) -> Loaded:
    """Build the classifier that ``scheme:name`` names."""
    scheme, colon, name = spec.partition(":")
    if colon and scheme in BUILT:
        if not name.partition("?")[0] and scheme in MANY:
            raise InputError(f"classifier {spec!r} names none; write it after the colon, {scheme}:NAME.")
        return BUILT[scheme][0](name, weights)
    if colon and scheme in FILES:
        return FILES[scheme](name, weights, trust_factory)
    if colon and scheme == "function":
        return load_function(name, weights)
    if colon and name.isidentifier() and all(part.isidentifier() for part in scheme.split(".")) and _exists(scheme):
        return load_factory(spec, weights)
    raise InputError(
        f"classifier {spec!r} is neither an existing folder nor a known name{_meant(spec)}; take one of "
        f"{', '.join(f'{known}:NAME' for known in BUILT)}, {', '.join(f'{known}:FILE' for known in FILES)}, "
        "function:package.module:name, package.module:factory or a folder saved by 'explanans classifier fit'."
    )


def _exists(package: str) -> bool:
    """Whether there is such a module, as far as that is known without running code; otherwise the error says more."""
    return find_spec(package.partition(".")[0]) is not None or not nearest(package, (*NAMED, "function"))


def _meant(spec: str) -> str:
    """What a name that is none may have been meant to be."""
    scheme, colon, name = spec.partition(":")
    if colon:
        near = nearest(scheme, (*NAMED, "function"))
        return f" (did you mean {f'{near}:{name}'!r}?)" if near else ""
    if Path(spec).is_file():
        kind = SUFFIXES.get(Path(spec).suffix.lower())
        return f" (did you mean {f'{kind}:{spec}'!r}?)" if kind else " (it is a file; the classifier comes first)"
    if "/" not in spec:
        import timm
        import torchvision

        known = {
            "timm": timm.list_models(),
            "torchvision": torchvision.models.list_models(module=torchvision.models),
            "sample": [SAMPLE],
        }
        for kind, names in known.items():
            if spec.split(".")[0] in names:
                return f" (did you mean {f'{kind}:{spec}'!r}?)"
    return near_path(spec)


def named_source(spec: str, arguments: Mapping[str, Any]) -> Source:
    """How to build an architecture anew: settings that follow its name (``timm:NAME?pad_type=same``) and arguments.

    Raises:
        InputError: a setting that the architecture may not be given, or one of another type.
    """
    scheme, _, name = spec.partition(":")
    if scheme not in SETTINGS:
        return Source(spec, dict(arguments))
    what = f"classifier {spec!r}"
    known = SETTINGS[scheme](name.partition("?")[0])
    name, own = split_options(name, known, what)
    if both := own.keys() & arguments.keys():
        raise InputError(f"{what}: {', '.join(both)} is given in the name and beside it; leave it out of the name.")
    check_settings(arguments, known, what)
    return Source(f"{scheme}:{name}", {**own, **arguments})


def build(source: Source) -> nn.Module:
    """The module of ``source`` with random weights, to load saved weights into.

    Raises:
        InputError: it has settings that may not be given, or that the architecture does not take.
    """
    scheme = source.spec.partition(":")[0]
    if scheme in FILES or scheme == "function":
        raise InputError(
            f"classifier {source.spec!r} is finished: it can be explained, but not built anew or trained. To train "
            f"one, take {', '.join(f'{known}:NAME' for known in BUILT if known != 'hf')} or package.module:factory."
        )
    if scheme in SETTINGS:
        known = SETTINGS[scheme](source.spec.partition(":")[2])
        check_settings(source.arguments, known, f"classifier {source.spec!r}")
    if scheme not in BUILT:
        return build_factory(source)
    try:
        return BUILT[scheme][1](source)
    except TOO_LARGE as error:
        raise unfit_settings(source, error) from error
