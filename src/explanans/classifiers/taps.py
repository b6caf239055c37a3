"""Where a classifier's features are read at several depths on their way to its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import Seen, pools, survey
from explanans.classifiers.spatial import spatial_view
from explanans.errors import InputError

FINEST = 4
"""Pixels per position of the finest features that are read."""
DEPTHS = 4
"""How many layers are read where all have the same positions, as in a vision transformer."""

_CONTAINERS = (nn.Sequential, nn.ModuleList)


@dataclass(frozen=True)
class Tap:
    """A layer whose output has a :func:`~explanans.classifiers.spatial.spatial_view`.

    Attributes:
        name: in ``explanandum.module.named_modules()``.
        channels, height, width: of the view, for an image of the classifier's size.
    """

    name: str
    channels: int
    height: int
    width: int

    @property
    def grid(self) -> tuple[int, int]:
        return self.height, self.width


def find_taps(explanandum: Explanandum) -> tuple[Tap, ...]:
    """The layers to read, finest first: for each grid of features the last one that a later block does not own.

    Of a CNN or Swin transformer these are the ends of its stages with 4 pixels per position and more; of a vision
    transformer, where every layer has the same grid, four blocks at even depths.

    Raises:
        InputError: no layer has spatial features.
    """
    side = explanandum.preprocessing.height
    # A side that is no multiple is rounded up by convolutions with padding: 225 pixels are 57 positions.
    seen = [
        each
        for each in survey(explanandum)
        if each.view is not None
        and not isinstance(each.module, nn.Linear)
        and not pools(each.module)
        and (each.grid[0] - 1) * FINEST < side
    ]
    if not seen:
        raise InputError(
            "network: the classifier has no layer with spatial features (N, C, h, w) or tokens; take a network "
            "of its own, such as light/mobilenetv2_100."
        )
    named = {each.name: each for each in seen}
    own = [each for each in _outermost(seen) if not _on_its_way(each, named)]
    if len({each.grid for each in own}) == 1:
        return tuple(map(_tap, _even_depths(own, explanandum.module)))
    last = {each.grid: each for each in own}
    return tuple(sorted(map(_tap, last.values()), key=lambda tap: -tap.height * tap.width))


def tapped(taps: Sequence[Tap], features: Mapping[str, Tensor], images: Tensor) -> list[Tensor]:
    """Of what the layers returned for images the features by position, (N, K, h, w) each.

    Raises:
        InputError: images of this size leave no grid.
    """
    size = (images.shape[-2], images.shape[-1])
    views = []
    for tap in taps:
        view = spatial_view(features[tap.name], size)
        if view is None or view.shape[1] != tap.channels:
            raise InputError(
                f"network: layer {tap.name} returned {tuple(features[tap.name].shape)} for images of "
                f"{size[0]}x{size[1]} pixels; take images of the classifier's own size."
            )
        views.append(view)
    return views


def _tap(seen: Seen) -> Tap:
    assert seen.view is not None
    return Tap(seen.name, seen.view.shape[1], *seen.grid)


def _outermost(seen: list[Seen]) -> list[Seen]:
    """Of layers that return the very same tensor one after another, the last: the block, not the layer it ends in."""
    return [
        each
        for each, after in zip(seen, [*seen[1:], None], strict=True)
        if after is None or after.output is not each.output
    ]


def _on_its_way(seen: Seen, named: dict[str, Seen]) -> bool:
    """Whether a block around the layer ends on another grid."""
    pieces = seen.name.split(".")
    around = [named.get(".".join(pieces[:count])) for count in range(1, len(pieces))]
    return any(
        block is not None and block.grid != seen.grid and not isinstance(block.module, _CONTAINERS) for block in around
    )


def _even_depths(seen: list[Seen], module: nn.Module) -> list[Seen]:
    """Of the longest row of blocks, those at 1/4, 2/4, 3/4 and the end.

    A last block whose tensor the row itself returns counts as the row, not as one of its blocks. In a transformer with
    a class token nothing reads the patches that leave it.
    """
    kinds = dict(module.named_modules())
    rows: dict[str, list[Seen]] = {}
    for each in seen:
        rows.setdefault(each.name.rpartition(".")[0], []).append(each)
    blocks = max((row for name, row in rows.items() if isinstance(kinds.get(name), _CONTAINERS)), key=len, default=seen)
    depths = sorted({max(0, round(len(blocks) * k / DEPTHS) - 1) for k in range(1, DEPTHS + 1)})
    return [blocks[depth] for depth in depths]
