"""The last layer of a mask network, of whose classes a few may be asked for: a thousand maps would fill the memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class ClassHead(nn.Conv2d):
    """A convolution to one map of logits per class; inside :func:`only` it makes those of some classes alone."""

    columns: Tensor | None = None

    @classmethod
    def instead_of(cls, convolution: nn.Conv2d) -> ClassHead:
        """The same layer with the same parameters."""
        head = cls.__new__(cls)
        head.__dict__.update(convolution.__dict__)
        return head

    def forward(self, features: Tensor) -> Tensor:
        if self.columns is None:
            return super().forward(features)
        bias = None if self.bias is None else self.bias[self.columns]
        return self._conv_forward(features, self.weight[self.columns], bias)


@contextmanager
def only(network: nn.Module, columns: Tensor) -> Iterator[bool]:
    """Inside, the network's :class:`ClassHead` s answer for the classes ``columns`` (K,), in that order.

    One thread at a time. A network without such a head goes on answering for all classes; the block is told False.
    """
    heads = [part for part in network.modules() if isinstance(part, ClassHead)]
    try:
        for head in heads:
            head.columns = columns
        yield bool(heads)
    finally:
        for head in heads:
            head.columns = None
