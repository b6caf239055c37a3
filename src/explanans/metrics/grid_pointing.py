"""GridPG: photos of different classes in one picture, and the share of a class's mask that lies on its own photo."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from explanans.errors import InputError
from explanans.metrics.pointing import energy_pointing_game
from explanans.metrics.shared.asking import check_images
from explanans.metrics.shared.base import ShareMean, listed
from explanans.metrics.shared.overlap import flatten_maps, floating
from explanans.ops.two_by_two import CELLS, cell, two_by_two


def montage(images: Tensor) -> Tensor:
    """Four images in one, each at half its size: (G, 4, 3, H, W) → (G, 3, H, W), cells row by row.

    Raises:
        InputError: another shape.
    """
    if images.ndim != 5 or images.shape[1] != CELLS:
        raise InputError(f"images have shape {tuple(images.shape)}; give (G, {CELLS}, 3, H, W).")
    check_images(images[:, 0], {})
    return two_by_two(images, partial(functional.interpolate, mode="bilinear", antialias=True))


def grid_pointing(maps: Tensor, cells: Tensor) -> Tensor:
    """Per-map share of the positive energy that lies in one cell of a montage, Σ_cell max(L, 0) / Σ max(L, 0).

    Rao, Böhle & Schiele, "Towards Better Understanding Attribution Methods" (CVPR 2022), after Böhle et al. (CVPR
    2021): the map of a class on a :func:`montage` of photos of different classes, of which one shows the class. No
    segmentation is needed, and a full mask gets ¼, which is chance. They give the classifier a montage of twice the
    side, so that it must take any size; here the photos are halved. Higher is better. 0 for a map without positive
    energy, and for one with a NaN or infinity.

    Args:
        maps: (N, H, W) or (N, 1, H, W), floating point; scale does not matter, zero does.
        cells: (N,) integers 0 … 3: the cell of the photo that shows the map's class.

    Returns:
        (N,) in [0, 1].

    Raises:
        InputError: shapes that do not fit, a cell that is none.

    >>> import torch
    >>> grid_pointing(torch.tensor([[[3.0, 1.0], [0.0, 0.0]]]), torch.tensor([0]))
    tensor([0.7500])
    """
    maps = floating(maps, "maps")
    if cells.shape != maps.shape[:1] or cells.is_floating_point() or ((cells < 0) | (cells >= CELLS)).any():
        raise InputError(f"cells are {cells.tolist()[:10]} for {len(maps)} maps; give one number 0 to 3 for each.")
    inside = torch.zeros_like(maps, dtype=torch.bool)
    for row, number in enumerate(cells.tolist()):
        inside[row, *cell(number, *maps.shape[1:])] = True
    return energy_pointing_game(maps, inside)


def company(
    index: int, order: Iterable[int], classes: Sequence[Hashable], sure: Callable[[int], bool], cell: int
) -> list[int] | None:
    """The positions of the four photos of a montage, cell by cell: ``index`` in its cell, and in the others the first
    three in ``order`` that show further classes, no two the same; None where there are not so many.

    Args:
        classes: of each position.
        sure: whether a photo may stand in a montage; asked only of those whose class is wanted.
    """
    found = {classes[index]: index}
    for other in order:
        if len(found) < CELLS and classes[other] not in found and sure(other):
            found[classes[other]] = other
    if len(found) < CELLS:
        return None
    others = [each for each in found.values() if each != index]
    return [*others[:cell], index, *others[cell:]]


@listed("grid_pointing", "GridPG")
class GridPointing(ShareMean):
    """Mean over maps of :func:`grid_pointing`; higher is better. Empty maps are counted in ``empty_count``."""

    higher_is_better = True

    def update(self, maps: Tensor, cells: Tensor) -> None:
        flat, broken = flatten_maps(maps)
        self.accumulate(grid_pointing(maps, cells), broken, (flat <= 0).all(1))
