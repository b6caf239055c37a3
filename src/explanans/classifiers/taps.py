"""Where a classifier's features can be read on their way to its answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.spatial import spatial_view
from explanans.errors import InputError

FINEST = 4
"""Pixels per position of the finest features that are read."""
DEPTHS = 4
"""How many layers are read where all have the same positions, as in a vision transformer."""

_CONTAINERS = (nn.Sequential, nn.ModuleList)
_POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class Tap:
    """A layer whose output has a :func:`~explanans.classifiers.spatial.spatial_view`.

    Attributes:
        name: in ``explanandum.module.named_modules()``.
        channels, height, width: of the view, for an image of the classifier's size.
        output: tells layers that return the very same tensor.
    """

    name: str
    channels: int
    height: int
    width: int
    output: int = 0

    @property
    def grid(self) -> tuple[int, int]:
        return self.height, self.width


def find_taps(explanandum: Explanandum) -> tuple[Tap, ...]:
    """The layers to read, finest first: for each grid of features the last one that a later block does not own.

    Of a CNN or Swin transformer these are the ends of its stages with 4 pixels per position and more; of a vision
    transformer, where every layer has the same grid, four blocks at even depths. One grey image is sent through it.

    Raises:
        InputError: no layer has spatial features.
    """
    module = explanandum.module
    seen = _watch(explanandum)
    kinds = dict(module.named_modules())
    named = {tap.name: tap for tap in seen}
    own = [tap for tap in _outermost(seen) if not _on_its_way(tap, named, kinds)]
    if len({tap.grid for tap in own}) == 1:
        return _even_depths(own, kinds)
    last = {tap.grid: tap for tap in own}
    return tuple(sorted(last.values(), key=lambda tap: -tap.height * tap.width))


@contextmanager
def reading(explanandum: Explanandum, taps: tuple[Tap, ...]) -> Iterator[dict[str, Tensor]]:
    """Inside, every pass through the classifier leaves the outputs of ``taps`` in the dictionary, by name.

    By way of hooks, so that one classifier is read by one thread at a time.
    """
    features: dict[str, Tensor] = {}

    def see(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        features[name] = _tensor(output)

    module = explanandum.module
    handles = [module.get_submodule(tap.name).register_forward_hook(partial(see, tap.name)) for tap in taps]
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()


def _tensor(output: Any) -> Any:
    """Blocks of transformers may return a tuple of tokens and attention."""
    return output[0] if isinstance(output, tuple) and output else output


def _watch(explanandum: Explanandum) -> list[Tap]:
    """Every layer with a spatial output, in the order in which they end."""
    preprocessing = explanandum.preprocessing
    size = (preprocessing.height, preprocessing.width)
    seen: list[Tap] = []
    # Kept, so that no later tensor can have the identity of an earlier one.
    outputs: list[Tensor] = []

    def see(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        output = _tensor(output)
        if not isinstance(output, Tensor) or isinstance(module, (nn.Linear, *_POOLING)):
            return
        view = spatial_view(output, size) if len(output) == 1 else None
        # A side that is no multiple is rounded up by convolutions with padding: 225 pixels are 57 positions.
        if view is not None and (view.shape[2] - 1) * FINEST < size[0]:
            outputs.append(output)
            seen.append(Tap(name, view.shape[1], view.shape[2], view.shape[3], id(output)))

    # TorchScript runs its layers itself and lets nobody watch.
    parts = [
        (name, part)
        for name, part in explanandum.module.named_modules()
        if name and not isinstance(part, torch.jit.ScriptModule)
    ]
    handles = [part.register_forward_hook(partial(see, name)) for name, part in parts]
    tensors = explanandum.module.state_dict().values()
    like = next((value for value in tensors if value.is_floating_point()), torch.zeros(()))
    try:
        with torch.no_grad():
            explanandum(like.new_zeros(1, preprocessing.channels, *size))
    finally:
        for handle in handles:
            handle.remove()
    if not seen:
        raise InputError(
            "network='trunk': the classifier has no layer with spatial features (N, C, h, w) or tokens; take a network "
            "of its own, such as light/mobilenetv2_100."
        )
    return seen


def _outermost(seen: list[Tap]) -> list[Tap]:
    """Of layers that return the very same tensor one after another, the last: the block, not the layer it ends in."""
    return [
        tap for tap, after in zip(seen, [*seen[1:], None], strict=True) if after is None or after.output != tap.output
    ]


def _on_its_way(tap: Tap, named: dict[str, Tap], kinds: dict[str, nn.Module]) -> bool:
    """Whether a block around the layer ends on another grid."""
    pieces = tap.name.split(".")
    around = [named.get(".".join(pieces[:count])) for count in range(1, len(pieces))]
    return any(
        block is not None and block.grid != tap.grid and not isinstance(kinds[block.name], _CONTAINERS)
        for block in around
    )


def _even_depths(taps: list[Tap], kinds: dict[str, nn.Module]) -> tuple[Tap, ...]:
    """Of the longest row of blocks, those at 1/4, 2/4, 3/4 and the end.

    A last block whose tensor the row itself returns counts as the row, not as one of its blocks. In a transformer with
    a class token nothing reads the patches that leave it.
    """
    rows: dict[str, list[Tap]] = {}
    for tap in taps:
        rows.setdefault(tap.name.rpartition(".")[0], []).append(tap)
    blocks = max((row for name, row in rows.items() if isinstance(kinds.get(name), _CONTAINERS)), key=len, default=taps)
    depths = sorted({max(0, round(len(blocks) * k / DEPTHS) - 1) for k in range(1, DEPTHS + 1)})
    return tuple(blocks[depth] for depth in depths)
