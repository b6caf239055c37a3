"""Which layer of a classifier still knows where things are."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.spatial import spatial_view, token_grid
from explanans.errors import InputError

_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def _is_inner(module: nn.Module, output: Tensor) -> bool:
    """Tokens out of a linear layer lie inside a block: queries, keys and values, or the wide middle of an MLP."""
    return isinstance(module, nn.Linear) and output.ndim == 3


class _Probe:
    """Watches one forward pass and remembers the last output with a spatial view that no pooling has made."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.name: str | None = None
        self.feature_map: str | None = None
        self.tokens = False
        self.sequence: str | None = None
        self.by_size: dict[tuple[int, int], str] = {}
        self._positions = 0
        self._output: Tensor | None = None
        self._pooled: list[Tensor] = []

    def see(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, nn.Identity) or not isinstance(output, Tensor):
            return
        if isinstance(module, _POOLING):
            self._pooled.append(output)
            return
        view = self._view(output)
        if view is not None and _is_inner(module, output):
            return
        if output is self._output and view is not None:
            # A block that ends in this layer returns the very same tensor, and its name says more.
            self._found(name, view, output)
        elif view is not None:
            # Dropout in evaluation mode and containers hand a pooled tensor on unchanged.
            if not any(output is pooled for pooled in self._pooled):
                self._output, self.sequence = output, None
                self._found(name, view, output)
        elif sum(side > 1 for side in output.shape[1:]) > 1:
            self.sequence = f"{name} {tuple(output.shape)}"

    def _view(self, output: Tensor) -> Tensor | None:
        view = spatial_view(output, self.size) if len(output) == 1 else None
        if view is None or output.ndim == 4:
            return view
        # Flattened, 64 channels of 49 positions would pass for 8 x 8 tokens, 20 for 4 x 4 and some in front. But tokens
        # lie as some feature map did from which they were cut, or coarser than the last where they have been merged.
        height, width = view.shape[2:]
        merged = height * width < self._positions and output.shape[1] - height * width <= 1
        return view if (height, width) in self.by_size or merged else None

    def _found(self, name: str, view: Tensor, output: Tensor) -> None:
        self.name, self.tokens = name, output.ndim == 3
        self.feature_map = self.feature_map if self.tokens else name
        self._positions = view.shape[2] * view.shape[3]
        self.by_size[view.shape[2], view.shape[3]] = name


class _Tokens:
    """Keeps the token sequences of one forward pass with gradients."""

    def __init__(self, size: tuple[int, int], grids: Collection[tuple[int, int]]) -> None:
        self.size, self.grids = size, grids
        self.seen: list[tuple[str, Tensor]] = []

    def see(self, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim != 3 or len(output) != 1 or _is_inner(module, output):
            return
        grid = token_grid(output.shape[1], self.size)
        if grid is not None and grid[:2] in self.grids and output.requires_grad:
            if self.seen and self.seen[-1][1] is output:
                self.seen.pop()
            self.seen.append((name, output))


@contextmanager
def _watched(module: nn.Module, probe: _Probe | _Tokens) -> Iterator[None]:
    handles = []
    try:
        for name, part in module.named_modules():
            # TorchScript runs its layers itself and lets nobody watch.
            if name and not isinstance(part, torch.jit.ScriptModule):
                handles.append(part.register_forward_hook(partial(probe.see, name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def grey_image(explanandum: Explanandum) -> Tensor:
    """A grey image of the classifier's size, type and device."""
    preprocessing = explanandum.preprocessing
    like = next((value for value in explanandum.module.state_dict().values() if value.is_floating_point()), None)
    like = torch.zeros(()) if like is None else like
    return like.new_zeros(1, preprocessing.channels, preprocessing.height, preprocessing.width)


def _probed(explanandum: Explanandum) -> _Probe:
    probe = _Probe((explanandum.preprocessing.height, explanandum.preprocessing.width))
    with torch.no_grad(), _watched(explanandum.module, probe):
        explanandum(grey_image(explanandum))
    return probe


def _last_heard(explanandum: Explanandum, probe: _Probe) -> str | None:
    """The last layer with a spatial view whose patches still influence the logits; None where they are all zero.

    Where a class token speaks for the image, the patches that leave the last block are never read: their gradient is
    zero, and so would be every map that is made of it.
    """
    tokens = _Tokens(probe.size, probe.by_size)
    with torch.inference_mode(False), torch.enable_grad():
        with _watched(explanandum.module, tokens):
            logits = explanandum(grey_image(explanandum).clone().requires_grad_())
        if not logits.requires_grad:
            return None
        # Unequal weights: a head whose outputs sum to a constant would hide what it depends on.
        weights = torch.linspace(1, 2, logits.shape[1], dtype=logits.dtype, device=logits.device)
        outputs = [output for _, output in tokens.seen]
        gradients = torch.autograd.grad((logits * weights).sum(), outputs, allow_unused=True) if outputs else ()
    for (name, _), gradient in reversed(list(zip(tokens.seen, gradients, strict=True))):
        view = None if gradient is None else spatial_view(gradient, probe.size)
        if view is not None and view.count_nonzero():
            return name
    silent = all(gradient is None or not gradient.any() for gradient in gradients)
    # Tokens only inside the head, where attention does the pooling, are no better than the features that it reads; but
    # a head of zeros hears nothing at all, and says nothing about its layers.
    return None if gradients and silent else probe.feature_map


def _refuse_torchscript(parts: Iterable[nn.Module]) -> None:
    if any(isinstance(part, torch.jit.ScriptModule) for part in parts):
        raise InputError(
            "layer: the classifier is a TorchScript program, whose layers cannot be watched; save it with "
            "torch.export.save instead, or take a method that needs no layer, such as integrated_gradients or rise."
        )


def layer_of_stride(explanandum: Explanandum, stride: int = 16) -> str:
    """Name of the last module whose output is as fine as one position per ``stride`` x ``stride`` pixels, or finer.

    Raises:
        InputError: the classifier has no spatial output that fine.
    """
    wanted = explanandum.preprocessing.height // stride
    sizes = {size: name for size, name in _probed(explanandum).by_size.items() if size[0] >= wanted}
    if not sizes:
        _refuse_torchscript(explanandum.module.modules())
        raise InputError(
            f"layer: the classifier has no spatial output of stride {stride} or finer; name a layer, as in "
            "explanandum.module.named_modules()."
        )
    return sizes[min(sizes)]


def last_spatial_layer(explanandum: Explanandum) -> str:
    """Name of the module with the last output that has a :func:`~explanans.classifiers.spatial.spatial_view`.

    One grey image is sent through the classifier. If several modules return the same tensor, the outermost is named:
    ``layer4`` rather than ``layer4.2.relu``. Of a vision transformer it is the last layer whose patch tokens still
    influence the logits: the first norm of the last block where a class token is read (``blocks.11.norm1``), the last
    norm where patches are averaged; of a Swin transformer its last norm.

    Raises:
        InputError: there is none, or sequences follow it that are no grid of patches.
    """
    probe = _probed(explanandum)
    advice = "Name a layer whose output is (N, C, h, w), (N, h, w, C) or (N, tokens, C): layer='…', as in "
    advice += "explanandum.module.named_modules()."
    if probe.name is None:
        _refuse_torchscript(explanandum.module.modules())
        raise InputError(f"layer: no module of the classifier has a spatial output (N, C, h, w). {advice}")
    if probe.sequence is not None:
        raise InputError(
            f"layer: the last spatial output is that of {probe.name!r}, but {probe.sequence} works on sequences after "
            f"it that are no grid of patches, so that its map may mean little. {advice}"
        )
    if probe.tokens:
        return _last_heard(explanandum, probe) or probe.name
    return probe.name


def find_layer(explanandum: Explanandum, name: str) -> nn.Module:
    """The module called ``name`` inside the classifier; an unknown name raises InputError with the nearest ones."""
    modules = dict(explanandum.module.named_modules())
    if name not in modules:
        near = difflib.get_close_matches(name, modules, n=5, cutoff=0.4) or list(modules)[1:9]
        raise InputError(f"layer={name!r} is no module of the classifier; did you mean one of {near}?")
    _refuse_torchscript([modules[name]])
    return modules[name]
