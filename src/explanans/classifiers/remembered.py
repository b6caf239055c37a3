"""What was found out about a classifier's layers, for as long as it has the same ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec
from weakref import WeakKeyDictionary, ref

from torch import nn

from explanans.classifiers.explanandum import Explanandum

_Given = ParamSpec("_Given")


@dataclass(frozen=True)
class _Found:
    """A layer's name, and the parts that the classifier had; weakly, since they lead back to the classifier."""

    name: str
    parts: dict[str, ref[nn.Module]]

    def holds(self, explanandum: Explanandum) -> bool:
        parts = dict(explanandum.module.named_modules())
        return parts.keys() == self.parts.keys() and all(self.parts[name]() is part for name, part in parts.items())


def remembered(
    find: Callable[Concatenate[Explanandum, _Given], str],
) -> Callable[Concatenate[Explanandum, _Given], str]:
    """``find``, which names a layer of a classifier after passes through it, asked once for each classifier.

    It is asked again once a part of the classifier is another one, or its preprocessing is; moving it to another device
    or changing weights changes no layer. No classifier is kept alive, and an error is not remembered.
    """
    known: WeakKeyDictionary[Explanandum, dict[object, _Found]] = WeakKeyDictionary()

    @functools.wraps(find)
    def found(explanandum: Explanandum, *args: _Given.args, **kwargs: _Given.kwargs) -> str:
        asked = (explanandum.preprocessing, args, tuple(sorted(kwargs.items())))
        answers = known.setdefault(explanandum, {})
        answer = answers.get(asked)
        if answer is None or not answer.holds(explanandum):
            name = find(explanandum, *args, **kwargs)
            answer = _Found(name, {each: ref(part) for each, part in explanandum.module.named_modules()})
            answers[asked] = answer
        return answer.name

    return found
