"""The last layer of a mask network, of whose classes a few may be asked for: a thousand maps would fill the memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from torch import Tensor, nn

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
