"""The last layer of a mask network, of whose classes a few may be asked for: a thousand maps would fill the memory."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import torch
from torch import Tensor, nn

from explanans.ops.class_maps import ClassMaps, FactoredMaps, WholeMaps, are_few, rows_at_a_time
from explanans.ops.refinement import enlarge

_narrowing = threading.Lock()


class ClassHead(nn.Conv2d):
    """A convolution to one map of logits per class; inside :func:`only` it makes those of some classes alone."""

    columns: Mapping[int, Tensor] = MappingProxyType({})
    """The classes that are asked for, by the thread that asks."""

    @classmethod
    def instead_of(cls, convolution: nn.Conv2d) -> ClassHead:
        """The same layer with the same parameters."""
        head = cls.__new__(cls)
        head.__dict__.update(convolution.__dict__)
        return head

    def forward(self, features: Tensor) -> Tensor:
        columns = self.columns.get(threading.get_ident()) if self.columns else None
        if columns is None:
            return super().forward(features)
        bias = None if self.bias is None else self.bias[columns]
        return self._conv_forward(features, self.weight[columns], bias)


@contextmanager
def only(network: nn.Module, columns: Tensor) -> Iterator[bool]:
    """Inside, the network's :class:`ClassHead` s answer for the classes ``columns`` (K,), in that order.

    Other threads that use the network meanwhile get what they ask for. A network without such a head goes on answering
    for all classes; the block is told False.
    """
    heads = [part for part in network.modules() if isinstance(part, ClassHead)]
    here = threading.get_ident()
    try:
        with _narrowing:
            for head in heads:
                head.columns = {**head.columns, here: columns}
        yield bool(heads)
    finally:
        with _narrowing:
            for head in heads:
                head.columns = {thread: own for thread, own in head.columns.items() if thread != here}


class Chosen(nn.Module):
    """Of a network's logits (N, C, h, w) those of the classes ``columns`` (K,)."""

    columns: Tensor

    def __init__(self, network: nn.Module, columns: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("columns", columns)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)[:, self.columns]


@torch.no_grad()
def narrowed(network: nn.Module, columns: Tensor) -> nn.Module:
    """``network``, changed for good so that it answers for the classes ``columns`` (K,) alone, in that order."""
    heads = [part for part in network.modules() if isinstance(part, ClassHead)]
    for head in heads:
        head.out_channels = len(columns)
        head.weight = nn.Parameter(head.weight[columns])
        head.bias = None if head.bias is None else nn.Parameter(head.bias[columns])
    return network if heads else Chosen(network, columns)


Heads = Sequence[tuple[ClassHead, Tensor]]
"""1×1 convolutions, each with the features that it reads (N, channels, h, w), the finest grid first."""


def sum_of_heads(heads: Heads) -> Tensor:
    """Logits (N, C, h, w) on the finest grid: what every head says, enlarged and added."""
    (head, features), *coarser = heads
    logits = head(features)
    for head, features in coarser:
        logits = logits + enlarge(head(features), logits.shape[-2:])
    return logits


def factored(heads: Heads) -> FactoredMaps:
    """The same logits as a product of matrices, so that not all of them have to be made.

    A convolution that reads one position is a matrix: weights times features. So is enlarging, and the two may change
    places. Where a head reads more channels than those of its positions that the rows made at a time lie between, its
    own maps are enlarged, by a matrix that is always the same; elsewhere its features are.
    """
    (height, width) = size = heads[0][1].shape[-2:]
    count, positions = len(heads[0][1]), height * width
    left, right, left_fixed, fixed = [], [], [], []
    biases = []
    at_a_time = rows_at_a_time(heads[0][0].out_channels, width, heads[0][1].device)
    for head, features in heads:
        weight = head.weight.flatten(1)
        inside = features.shape[-2] * features.shape[-1]
        between = min(features.shape[-2], math.ceil(at_a_time * features.shape[-2] / height) + 1) * features.shape[-1]
        if tuple(features.shape[-2:]) == tuple(size) or features.shape[1] <= between:
            left.append(weight.expand(count, -1, -1))
            right.append(enlarge(features, size).flatten(2))
        else:
            left_fixed.append(weight @ features.flatten(2))
            grid = torch.eye(inside, device=features.device, dtype=features.dtype)
            fixed.append(enlarge(grid.view(1, inside, *features.shape[-2:]), size).view(inside, positions))
        if head.bias is not None:
            biases.append(head.bias)
    if biases:
        # Added one by one: of a sum over a stack all would get one and the same piece of memory as their gradient.
        left_fixed.append(sum(biases[1:], biases[0])[:, None].expand(count, -1, 1))
        fixed.append(heads[0][1].new_ones(1, positions))
    ends = torch.cat(fixed) if fixed else heads[0][1].new_zeros(0, positions)
    return FactoredMaps(torch.cat([*left, *left_fixed], 2), torch.cat(right, 1), ends, (height, width))


def class_maps(network: nn.Module, images: Tensor) -> ClassMaps:
    """Mask logits of ``images``, class by class where the network has a method ``maps`` for it and many classes."""
    maps = getattr(network, "maps", None)
    classes = max((part.out_channels for part in network.modules() if isinstance(part, ClassHead)), default=0)
    return WholeMaps(network(images).float()) if maps is None or are_few(classes) else maps(images)
