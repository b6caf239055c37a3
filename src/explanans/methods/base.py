"""What every attribution method looks like from outside, and the list of them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.ops.targets import Target, multi_hot
from explanans.utils.text import did_you_mean

Need = Literal["gradients", "layers", "attention"]
Kind = TypeVar("Kind", bound=type)


class Method(Protocol):
    """A method that was made for one Explanandum.

    It leaves no hook behind, changes no training mode, and enables gradients itself if it needs them.
    """

    def __call__(self, images: Tensor, targets: Target, /, generator: torch.Generator | None = None) -> Tensor:
        """Normalised images (N, 3, H, W) and targets → raw maps (N, C, H, W).

        The map of a class that was not asked for is zero; the values of the others are not normalised. Targets
        follow :func:`explanans.ops.targets.multi_hot`, of which multi-hot (N, C) is the form to use in a loop. What a
        method draws at random comes from ``generator`` (None: torch's global one); most draw nothing.
        """
        ...


class PairMethod:
    """A method that makes a map for each pair of image and class, so that it takes memory for what is asked alone.

    Attributes:
        explanandum: the classifier.
        asks_often: it asks the classifier hundreds of times for each image.
    """

    explanandum: Explanandum
    asks_often = False

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Normalised images (N, 3, H, W) and asked, bool (N, C) with P true entries → raw maps (P, H, W).

        They stand in the order of ``asked.nonzero()``: ``method(images, asked)[asked]``.
        """
        raise NotImplementedError

    def questions(self, height: int, width: int) -> int | None:
        """Images that the classifier is shown for the maps of an image of this size; None if not known before."""
        return None

    def __call__(self, images: Tensor, targets: Target, generator: torch.Generator | None = None) -> Tensor:
        asked = multi_hot(targets, self.explanandum.classes, len(images), images.device)
        found = self.pairs(images, asked, generator)
        maps = images.new_zeros(*asked.shape, *images.shape[-2:])
        maps[asked] = found.to(maps.dtype)
        return maps


def pairs_of(method: Method, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """:meth:`PairMethod.pairs` of any method; one that is none makes the maps of all classes first."""
    if isinstance(method, PairMethod):
        return method.pairs(images, asked, generator)
    return method(images, asked, generator)[asked]


def positions(asked: Tensor) -> Tensor:
    """Where in the order of ``asked.nonzero()`` each true entry of ``asked`` (N, C) stands; int64 (N, C)."""
    return asked.flatten().cumsum(0).view_as(asked) - 1


@dataclass(frozen=True)
class Entry:
    """A method as it is listed.

    Args:
        title: how papers write it.
        build: its class, made as ``build(explanandum, **settings)``.
        normalisation: step of :data:`explanans.metrics.NORMALISATIONS` that makes masks of its raw maps: "raw" where
            they are masks in [0, 1] already.
        needs: what it needs of the classifier besides answers: gradients, the output of its layers, its attention.
        extra: name of the extra (``pip install explanans[extra]``) that it needs, or None.
        settings: what ``build`` is given where nobody says otherwise; tells entries of one class apart.
    """

    title: str
    build: Callable[..., Any]
    normalisation: str = "minmax"
    needs: tuple[Need, ...] = ()
    extra: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def black_box(self) -> bool:
        """Whether it only asks for answers, so that any classifier will do."""
        return not self.needs


METHODS: dict[str, Entry] = {}
"""Every method by its name. Each class enters itself with :func:`listed`."""


def listed(
    name: str,
    title: str,
    normalisation: str = "minmax",
    *,
    needs: tuple[Need, ...] = (),
    extra: str | None = None,
    settings: Mapping[str, Any] | None = None,
    into: MutableMapping[str, Entry] = METHODS,
) -> Callable[[Kind], Kind]:
    """Enters the class below it into the list under ``name``; a class with several settings is entered for each.

    A name holds no dot, so that it is read as one in an option (``--methods.NAME.title``). The other arguments are
    those of :class:`Entry`.
    """
    if "." in name or name in into:
        raise ValueError(f"name={name!r} is taken or holds a dot; choose another.")

    def enter(kind: Kind) -> Kind:
        into[name] = Entry(title, kind, normalisation, needs, extra, dict(settings or {}))
        return kind

    return enter


def make_method(name: str, explanandum: Explanandum, **settings: Any) -> Method:
    """The method called ``name`` for a classifier; ``settings`` go to its constructor.

    Raises:
        InputError: an unknown name, a setting that the method does not have, an extra that is not installed, or
            a classifier without gradients for a method that looks inside.
    """
    if name not in METHODS:
        raise InputError(f"method {name!r} is not known{_meant(name)}; take one of {', '.join(METHODS)}.")
    entry = METHODS[name]
    if not entry.black_box:
        what = "gradients" if "gradients" in entry.needs else f"a look at its {' and '.join(entry.needs)}"
        explanandum.require_gradients(f"method {name!r}", what)
    try:
        return entry.build(explanandum, **{**entry.settings, **settings})
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise InputError(f"method {name!r}: {error}.") from error


def _meant(name: str) -> str:
    """What a name that is none may have been meant to be; settings do not follow a method's name."""
    alone, question, settings = name.partition("?")
    if question and alone in METHODS:
        return f" (did you mean {alone!r}, and {settings!r} as settings of it? they are given by name, not behind it)"
    return did_you_mean(alone.replace("++", "_pp"), METHODS)
