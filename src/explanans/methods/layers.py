"""Which layer of a classifier still knows where things are."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from explanans.errors import InputError
from explanans.explanandum import Explanandum

_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


class _Probe:
    """Watches one forward pass and remembers the last spatial output that no pooling has made."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.name: str | None = None
        self.sequence: str | None = None
        self.by_size: dict[tuple[int, int], str] = {}
        self._output: Tensor | None = None
        self._pooled: list[Tensor] = []

    def see(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, nn.Identity) or not isinstance(output, Tensor):
            return
        if isinstance(module, _POOLING):
            self._pooled.append(output)
        elif output is self._output:
            # A block that ends in this layer returns the very same tensor, and its name says more.
            self._found(name, output)
        elif self._is_spatial(output):
            # Dropout in evaluation mode and containers hand a pooled tensor on unchanged.
            if not any(output is pooled for pooled in self._pooled):
                self._output, self.sequence = output, None
                self._found(name, output)
        elif sum(side > 1 for side in output.shape[1:]) > 1:
            self.sequence = f"{name} {tuple(output.shape)}"

    def _found(self, name: str, output: Tensor) -> None:
        self.name = name
        self.by_size[output.shape[2], output.shape[3]] = name

    def _is_spatial(self, output: Tensor) -> bool:
        """(1, C, h, w) with more than one position, no larger than the image and of its aspect ratio.

        Attention weights and channels-last features are 4-D too, but do not keep the aspect ratio.
        """
        if output.ndim != 4:
            return False
        height, width = output.shape[2:]
        same_aspect = abs(height * self.width - width * self.height) < max(self.height, self.width)
        return height * width > 1 and height <= self.height and width <= self.width and same_aspect


@contextmanager
def _watched(module: nn.Module, probe: _Probe) -> Iterator[None]:
    handles = []
    try:
        for name, part in module.named_modules():
            if name:
                handles.append(part.register_forward_hook(partial(probe.see, name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _probed(explanandum: Explanandum) -> _Probe:
    height, width = explanandum.preprocessing.height, explanandum.preprocessing.width
    probe = _Probe(height, width)
    like = next((value for value in explanandum.module.state_dict().values() if value.is_floating_point()), None)
    like = torch.zeros(()) if like is None else like
    with torch.no_grad(), _watched(explanandum.module, probe):
        explanandum(like.new_zeros(1, 3, height, width))
    return probe


def layer_of_stride(explanandum: Explanandum, stride: int = 16) -> str:
    """Name of the last module whose output is as fine as one position per ``stride`` x ``stride`` pixels, or finer.

    Raises:
        InputError: the classifier has no spatial output that fine.
    """
    wanted = explanandum.preprocessing.height // stride
    sizes = {size: name for size, name in _probed(explanandum).by_size.items() if size[0] >= wanted}
    if not sizes:
        raise InputError(
            f"layer: the classifier has no spatial output of stride {stride} or finer; name a layer, as in "
            "explanandum.module.named_modules()."
        )
    return sizes[min(sizes)]


def last_spatial_layer(explanandum: Explanandum) -> str:
    """Name of the module with the last spatial output (N, C, h, w), h·w > 1, before pooling.

    One grey image is sent through the classifier. If several modules return the same tensor, the outermost is named:
    ``layer4`` rather than ``layer4.2.relu``.

    Raises:
        InputError: there is none, or token sequences follow it, as in a vision transformer, whose only convolution
            cuts the image into patches.
    """
    probe = _probed(explanandum)
    advice = "Name a layer whose output is (N, C, h, w): layer='…', as in explanandum.module.named_modules()."
    if probe.name is None:
        raise InputError(f"layer: no module of the classifier has a spatial output (N, C, h, w). {advice}")
    if probe.sequence is not None:
        raise InputError(
            f"layer: the last spatial output is that of {probe.name!r}, but {probe.sequence} works on sequences after "
            f"it, as vision transformers do, so that its map may mean little. {advice}"
        )
    return probe.name


def find_layer(explanandum: Explanandum, name: str) -> nn.Module:
    """The module called ``name`` inside the classifier; an unknown name raises InputError with the nearest ones."""
    modules = dict(explanandum.module.named_modules())
    if name not in modules:
        near = difflib.get_close_matches(name, modules, n=5, cutoff=0.4) or list(modules)[1:9]
        raise InputError(f"layer={name!r} is no module of the classifier; did you mean one of {near}?")
    return modules[name]
