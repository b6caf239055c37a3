"""Which layers of a classifier still know where things are: one grey image is sent through it, and all are watched."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.remembered import remembered
from explanans.classifiers.spatial import spatial_view, token_grid
from explanans.errors import InputError
from explanans.utils.devices import like
from explanans.utils.hooks import watching

_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class Seen:
    """A layer and what it returned for one image.

    Attributes:
        name: in ``explanandum.module.named_modules()``.
        module: the layer.
        output: the tensor that it returned; of a tuple, as blocks of transformers return, the first.
        alone: whether the output was that tensor.
        view: of the output, see :func:`~explanans.classifiers.spatial.spatial_view`; None where it has none.
    """

    name: str
    module: nn.Module
    output: Tensor
    alone: bool
    view: Tensor | None

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the view."""
        assert self.view is not None
        return self.view.shape[2], self.view.shape[3]


REFUSALS = (InputError, AssertionError, RuntimeError, ValueError)
"""What libraries raise for an image of another size than they were made for."""


def grey_image(explanandum: Explanandum) -> Tensor:
    """A grey image of the classifier's size, type and device."""
    preprocessing = explanandum.preprocessing
    return like(explanandum.module).new_zeros(1, preprocessing.channels, preprocessing.height, preprocessing.width)


def survey(explanandum: Explanandum) -> list[Seen]:
    """Every layer that returns a tensor, in the order in which they end; a layer that is used twice is there twice."""
    seen: list[Seen] = []
    size = _size(explanandum)

    def see(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        made = first(output)
        if isinstance(made, Tensor) and made.ndim and not isinstance(module, nn.Identity):
            view = spatial_view(made, size) if len(made) == 1 else None
            seen.append(Seen(name, module, made, made is output, view))

    with torch.no_grad(), watching(_parts(explanandum), see):
        explanandum(grey_image(explanandum))
    return seen


@contextmanager
def reading(explanandum: Explanandum, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Inside, every pass through the classifier leaves the outputs of these layers in the dictionary, by name.

    Of a tuple it is the first. Each thread reads its own passes.
    """
    features: dict[str, Any] = {}

    def see(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        features[name] = first(output)

    with watching(((name, explanandum.module.get_submodule(name)) for name in names), see):
        yield features


def first(output: Any) -> Any:
    """A layer's output, or of a tuple the first."""
    return output[0] if isinstance(output, tuple) and output else output


def pools(module: nn.Module) -> bool:
    return isinstance(module, _POOLING)


@remembered
def last_spatial_layer(explanandum: Explanandum) -> str:
    """Name of the module with the last output that has a :func:`~explanans.classifiers.spatial.spatial_view`.

    If several modules return the same tensor, the outermost is named: ``layer4`` rather than ``layer4.2.relu``. Of a
    vision transformer it is the last layer whose patch tokens still influence the logits: the first norm of the last
    block where a class token is read (``blocks.11.norm1``), the last norm where patches are averaged; of a Swin
    transformer its last norm.

    Raises:
        InputError: there is none, or sequences follow it that are no grid of patches.
    """
    last = _Last(survey(explanandum))
    advice = "Name a layer whose output is (N, C, h, w), (N, h, w, C) or (N, tokens, C): layer='…', as in "
    advice += "explanandum.module.named_modules()."
    if last.name is None:
        _refuse_torchscript(explanandum.module.modules())
        raise InputError(f"layer: no module of the classifier has a spatial output (N, C, h, w). {advice}")
    if last.sequence is not None:
        raise InputError(
            f"layer: the last spatial output is that of {last.name!r}, but {last.sequence} works on sequences after "
            f"it that are no grid of patches, so that its map may mean little. {advice}"
        )
    if last.tokens:
        return _last_heard(explanandum, last) or last.name
    return last.name


@remembered
def layer_of_stride(explanandum: Explanandum, stride: int = 16) -> str:
    """Name of the last module whose output is as fine as one position per ``stride`` x ``stride`` pixels, or finer.

    Raises:
        InputError: the classifier has no spatial output that fine.
    """
    wanted = explanandum.preprocessing.height // stride
    sizes = {size: name for size, name in _Last(survey(explanandum)).by_size.items() if size[0] >= wanted}
    if not sizes:
        _refuse_torchscript(explanandum.module.modules())
        raise InputError(
            f"layer: the classifier has no spatial output of stride {stride} or finer; name a layer, as in "
            "explanandum.module.named_modules()."
        )
    return sizes[min(sizes)]


def find_layer(explanandum: Explanandum, name: str) -> nn.Module:
    """The module called ``name`` inside the classifier; an unknown name raises InputError with the nearest ones."""
    modules = dict(explanandum.module.named_modules())
    if name not in modules:
        near = difflib.get_close_matches(name, modules, n=5, cutoff=0.4) or list(modules)[1:9]
        raise InputError(f"layer={name!r} is no module of the classifier; did you mean one of {near}?")
    _refuse_torchscript([modules[name]])
    return modules[name]


class _Last:
    """The last output with a spatial view that no pooling has made.

    Attributes:
        name: of the layer, None where there is none.
        tokens: whether its output is a sequence of tokens.
        feature_map: the last layer whose output is none.
        sequence: what came after it that is no grid, None where nothing did.
        by_size: the last layer of each grid.
    """

    def __init__(self, seen: Iterable[Seen]) -> None:
        self.name: str | None = None
        self.feature_map: str | None = None
        self.tokens = False
        self.sequence: str | None = None
        self.by_size: dict[tuple[int, int], str] = {}
        self._positions = 0
        self._output: Tensor | None = None
        self._pooled: list[Tensor] = []
        for each in seen:
            if each.alone:
                self._take(each)

    def _take(self, seen: Seen) -> None:
        if pools(seen.module):
            self._pooled.append(seen.output)
        elif seen.view is not None and self._is_map(seen):
            if _is_inner(seen.module, seen.output):
                return
            # A block that ends in this layer returns the very same tensor, and its name says more.
            known = seen.output is self._output
            # Dropout in evaluation mode and containers hand a pooled tensor on unchanged.
            if known or not any(seen.output is pooled for pooled in self._pooled):
                self.sequence = self.sequence if known else None
                self._found(seen)
        elif sum(side > 1 for side in seen.output.shape[1:]) > 1:
            self.sequence = f"{seen.name} {tuple(seen.output.shape)}"

    def _is_map(self, seen: Seen) -> bool:
        """Flattened, 64 channels of 49 positions would pass for 8 x 8 tokens, 20 for 4 x 4 and some in front.

        But tokens lie as some feature map did from which they were cut, or coarser than the last where they have been
        merged.
        """
        if seen.output.ndim == 4:
            return True
        positions = seen.grid[0] * seen.grid[1]
        merged = positions < self._positions and seen.output.shape[1] - positions <= 1
        return seen.grid in self.by_size or merged

    def _found(self, seen: Seen) -> None:
        self.name, self.tokens, self._output = seen.name, seen.output.ndim == 3, seen.output
        self.feature_map = self.feature_map if self.tokens else seen.name
        self._positions = seen.grid[0] * seen.grid[1]
        self.by_size[seen.grid] = seen.name


def _last_heard(explanandum: Explanandum, last: _Last) -> str | None:
    """The last layer with a spatial view whose patches still influence the logits; None where they are all zero.

    Where a class token speaks for the image, the patches that leave the last block are never read: their gradient is
    zero, and so would be every map that is made of it.
    """
    seen: list[tuple[str, Tensor]] = []
    size = _size(explanandum)

    def see(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim != 3 or len(output) != 1 or _is_inner(module, output):
            return
        grid = token_grid(output.shape[1], size)
        if grid is not None and grid[:2] in last.by_size and output.requires_grad:
            if seen and seen[-1][1] is output:
                seen.pop()
            seen.append((name, output))

    with torch.inference_mode(False), torch.enable_grad():
        with watching(_parts(explanandum), see):
            logits = explanandum(grey_image(explanandum).clone().requires_grad_())
        if not logits.requires_grad:
            return None
        # Unequal weights: a head whose outputs sum to a constant would hide what it depends on.
        weights = torch.linspace(1, 2, logits.shape[1], dtype=logits.dtype, device=logits.device)
        outputs = [output for _, output in seen]
        gradients = torch.autograd.grad((logits * weights).sum(), outputs, allow_unused=True) if outputs else ()
    for (name, _), gradient in reversed(list(zip(seen, gradients, strict=True))):
        view = None if gradient is None else spatial_view(gradient, size)
        if view is not None and view.count_nonzero():
            return name
    silent = all(gradient is None or not gradient.any() for gradient in gradients)
    # Tokens only inside the head, where attention does the pooling, are no better than the features that it reads; but
    # a head of zeros hears nothing at all, and says nothing about its layers.
    return None if gradients and silent else last.feature_map


def _is_inner(module: nn.Module, output: Tensor) -> bool:
    """Tokens out of a linear layer lie inside a block: queries, keys and values, or the wide middle of an MLP."""
    return isinstance(module, nn.Linear) and output.ndim == 3


def _parts(explanandum: Explanandum) -> list[tuple[str, nn.Module]]:
    # TorchScript runs its layers itself and lets nobody watch.
    return [
        (name, part)
        for name, part in explanandum.module.named_modules()
        if name and not isinstance(part, torch.jit.ScriptModule)
    ]


def _size(explanandum: Explanandum) -> tuple[int, int]:
    return explanandum.preprocessing.height, explanandum.preprocessing.width


def _refuse_torchscript(parts: Iterable[nn.Module]) -> None:
    if any(isinstance(part, torch.jit.ScriptModule) for part in parts):
        raise InputError(
            "layer: the classifier is a TorchScript program, whose layers cannot be watched; save it with "
            "torch.export.save instead, or take a method that needs no layer, such as integrated_gradients or rise."
        )
