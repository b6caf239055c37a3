"""The state that every metric here shares, a mean over images that drops none; and the list of them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor
from torchmetrics import Metric

Kind = TypeVar("Kind", bound=type[Metric])


@dataclass(frozen=True)
class Entry:
    """A metric as it is listed.

    Args:
        title: what a table writes above it.
        build: its class; the state of a run, ``build().update(...)``.
    """

    title: str
    build: type[Metric]

    @property
    def higher_is_better(self) -> bool | None:
        """None where a number only describes."""
        return self.build.higher_is_better

    @property
    def needs(self) -> tuple[str, ...]:
        """What ``update`` is given, in the one order of arguments that all metrics share, without what may be left out.

        What is asked (``classify``, ``explain``), the ``images``, the map (``mask``, ``maps``, ``masks``), what it is
        compared with (``target``, ``valid``, ``segmentation``), answers (``whole``, ``kept``, ...), ``labels``, and the
        ``background``.
        """
        parameters = list(inspect.signature(self.build.update).parameters.values())[1:]
        return tuple(each.name for each in parameters if each.default is inspect.Parameter.empty)

    @property
    def worst(self) -> float:
        """What an image counts with that cannot be scored."""
        return getattr(self.build, "worst", 0.0 if self.higher_is_better else 1.0)


METRICS: dict[str, Entry] = {}
"""Every metric by its name. Each class enters itself with :func:`listed`."""


def listed(name: str, title: str) -> Callable[[Kind], Kind]:
    """Enters the class below it into the list under ``name``."""
    if name in METRICS:
        raise ValueError(f"name={name!r} is taken; choose another.")

    def enter(kind: Kind) -> Kind:
        METRICS[name] = Entry(title, kind)
        return kind

    return enter


class ImageMean(Metric):
    """Mean of a per-image score over all images seen; NaN before the first image.

    All states are sums, so the result does not depend on how the images are spread over batches or processes. An
    image that could not be scored counts with the worst value and is counted in ``nan_count``; one in which there was
    nothing to measure (no object, no background, an empty map) counts with the value that the function documents for
    it and is counted in ``empty_count``.

    Args:
        columns: how many scores an image has, for example one per threshold; None for a single one.
        kwargs: for ``torchmetrics.Metric``.
    """

    is_differentiable = False
    full_state_update = False
    # What an image counts with that cannot be scored; where it is not said, 0, or 1 where lower is better.
    worst: ClassVar[float]
    total: Tensor
    count: Tensor
    nan_count: Tensor
    empty_count: Tensor

    def __init__(self, columns: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros(() if columns is None else columns), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("nan_count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("empty_count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def accumulate(self, values: Tensor, broken: Tensor, empty: Tensor | None = None) -> None:
        """Add the scores (N,) or (N, columns) of N images.

        ``broken`` (N,) marks those that could not be scored, ``empty`` (N,) those with nothing to measure.
        """
        self.total += values.sum(0)
        self.count += len(values)
        self.nan_count += broken.sum()
        if empty is not None:
            self.empty_count += (empty & ~broken).sum()

    def means(self) -> Tensor:
        """Mean over the images, for each column."""
        return self.total / self.count

    def compute(self) -> Tensor:
        return self.means().mean()


class ShareMean(ImageMean):
    """:class:`ImageMean` of a score in [0, 1]."""

    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
