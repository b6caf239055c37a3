"""What masks of several makers are worth on pictures that none of them has learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages
from explanans.explanations.batch import Explained, Masker, Settings, explain_batch
from explanans.explanations.by_method import ByMethod
from explanans.explanations.choice import choose_method, method_that_fits
from explanans.explanations.receipt import Receipt
from explanans.explanations.selection import Selection
from explanans.explanations.word import WORST, fills_frame, is_empty
from explanans.methods import METHODS
from explanans.metrics.grid_pointing import company, grid_pointing, montage
from explanans.metrics.shared.overlap import soft_overlap
from explanans.metrics.shared.regions import class_regions
from explanans.ops.two_by_two import CELLS
from explanans.utils.devices import like
from explanans.utils.progress import Progress

SURE = 0.9
"""The probability of a picture's only class from which on it stands in a montage."""

TOGETHER = 4
"""Pictures that are explained at once."""


ASKS_OFTEN = 10
"""So many pictures at most, where a method asks the classifier hundreds of times for each."""

MOST = 10
"""Classes of a picture: of a thousand one that is not sure of anything may see hundreds."""


def untrained(explanandum: Explanandum, teacher: Explanandum | None = None) -> dict[str, Masker]:
    """The best method that needs no training, and Grad-CAM where that is another one and the classifier allows it.

    Args:
        teacher: a surrogate, for a classifier without gradients: the maps are the surrogate's, and the classifier says
            where they are cut.
    """
    seen = explanandum if teacher is None else teacher
    choice = choose_method(seen)
    methods = {choice.name: choice.method}
    if choice.name != "grad_cam" and seen.differentiable:
        other = method_that_fits("grad_cam", {}, seen)
        methods |= {} if other is None else {"grad_cam": other}
    of = "" if teacher is None else " of the surrogate"
    return {f"{METHODS[name].title}{of}": ByMethod(explanandum, method) for name, method in methods.items()}


@dataclass(frozen=True)
class Figures:
    """What one maker's masks are worth, mask by mask and montage by montage.

    Attributes:
        receipts: of every mask; None where there was none to be had, which counts as the worst.
        grids: :func:`explanans.metrics.grid_pointing.grid_pointing` of every montage.
        pictures: that were looked at.
        overlaps: soft IoU with the drawn object, of every mask of a class that is drawn in its picture; 0 where there
            was no mask to be had.
    """

    receipts: Sequence[Receipt | None]
    grids: Sequence[float]
    pictures: int
    overlaps: Sequence[float] = ()

    @property
    def scores(self) -> list[float]:
        """See :attr:`explanans.explanations.receipt.Receipt.score`; the worst one without a receipt."""
        return [WORST if receipt is None else receipt.score for receipt in self.receipts]

    def means(self) -> dict[str, float | None]:
        """By name; None where nothing was measured. ``full``, ``empty`` and ``holds`` are shares of the masks."""
        made = [receipt for receipt in self.receipts if receipt is not None]

        def mean(values: Sequence[float]) -> float | None:
            return round(fmean(values), 4) if values else None

        return {
            "iou": mean(self.overlaps),
            "score": mean(self.scores),
            "kept": mean([receipt.kept for receipt in made]),
            "removed": mean([receipt.removed for receipt in made]),
            "elsewhere": mean([receipt.elsewhere for receipt in made]),
            "area": mean([receipt.area for receipt in made]),
            "grid": mean(self.grids),
            "full": mean([float(fills_frame(receipt.area)) for receipt in made]),
            "empty": mean([float(is_empty(receipt.area)) for receipt in made]),
            "holds": mean([float(receipt.word == "holds") for receipt in made]),
        }


def spread(count: int, wanted: int) -> list[int]:
    """At most ``wanted`` of ``count`` positions, evenly spaced: data sets are often sorted by class."""
    wanted = min(count, wanted)
    return [(2 * place + 1) * count // (2 * wanted) for place in range(wanted)]


@torch.no_grad()
def measured(
    makers: Mapping[str, Masker],
    explanandum: Explanandum,
    dataset: LabelledImages,
    images: int,
    *,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Figures]:
    """The same masks by every maker: of the classes that the classifier sees in pictures and in montages of them.

    Of a picture at most the :data:`MOST` most probable ones that it sees.

    A montage (GridPG) has a picture of which the classifier is sure (one class of at least :data:`SURE`, no other of ½)
    and three such of further classes, drawn by ``seed``. Where the pictures have segmentations, masks are held against
    them as well.

    Args:
        makers: ways to masks, by name; each one's classifier is ``explanandum``. The first one's device is computed on.
        dataset: pictures that ``explanandum`` takes; of them ``images``, evenly spaced, are looked at, and at most
            :data:`ASKS_OFTEN` where one of the makers asks often.

    Returns:
        for every maker its figures, of equal length and in one order.
    """
    if any(maker.asks_often for maker in makers.values()):
        images = min(images, ASKS_OFTEN)
    positions = spread(len(dataset), images)
    parts = [positions[start : start + TOGETHER] for start in range(0, len(positions), TOGETHER)]
    place = like(next(iter(makers.values())))

    def opened(some: Sequence[int]) -> Tensor:
        return torch.stack([dataset[index]["image"] for index in some]).to(place)

    def drawn(some: Sequence[int]) -> Tensor | None:
        if not dataset.has_segmentation:
            return None
        return torch.stack([dataset[index]["segmentation"] for index in some]).to(place.device)

    whole = torch.cat([explanandum.probabilities(opened(some)) for some in parts])
    asked = Selection().seen(explanandum, whole)
    asked &= whole >= whole.topk(min(MOST, whole.shape[1]), dim=1).values[:, -1:]
    grids = _grids(whole, asked, seed)
    receipts: dict[str, list[Receipt | None]] = {name: [] for name in makers}
    overlaps: dict[str, list[float]] = {name: [] for name in makers}
    pointed: dict[str, list[float]] = {name: [] for name in makers}
    with Progress("comparing", len(makers) * len(parts), show=progress) as bar:
        for number, some in enumerate(parts):
            pictures, segmentation = opened(some), drawn(some)
            rows = range(number * TOGETHER, number * TOGETHER + len(some))
            wanted = asked[list(rows)]
            placed = [grids[row] for row in rows if row in grids]
            four = [opened([positions[each] for each in cells]) for cells, _ in placed]
            for name, maker in makers.items():
                found = explain_batch(maker, pictures, Settings(), wanted)
                receipts[name] += _receipts(found, wanted)
                if segmentation is not None:
                    overlaps[name] += _overlaps(found, wanted, segmentation)
                if placed:
                    own = [row for row in rows if row in grids]
                    cells = torch.tensor([cell for _, cell in placed], device=place.device)
                    pointed[name] += _pointed(maker, montage(torch.stack(four)), asked[own], cells)
                bar.advance()
    return {name: Figures(receipts[name], pointed[name], len(positions), overlaps[name]) for name in makers}


def _grids(whole: Tensor, seen: Tensor, seed: int) -> dict[int, tuple[list[int], int]]:
    """For the rows that the classifier is sure of the four rows of a montage, and the cell of the row itself."""
    best = whole.topk(min(2, whole.shape[1]), dim=1).values
    sure = (best[:, 0] >= SURE) & (best[:, 1:] < 0.5).all(1) & (seen.sum(1) == 1)
    classes = whole.argmax(1).tolist()
    found = {}
    for row in sure.nonzero().flatten().tolist():
        generator = torch.Generator().manual_seed(seed * 1_000_003 + row)
        order = torch.randperm(len(whole), generator=generator).tolist()
        cell = int(torch.randint(CELLS, (), generator=generator))
        four = company(row, order, classes, lambda other: bool(sure[other]), cell)
        if four is not None:
            found[row] = (four, cell)
    return found


def _receipts(found: Explained, asked: Tensor) -> list[Receipt | None]:
    """In the order of ``asked.nonzero()``."""
    made = dict(zip(map(tuple, found.asked.nonzero().tolist()), found.receipts, strict=True))
    return [made.get(tuple(pair)) for pair in asked.nonzero().tolist()]


def _overlaps(found: Explained, asked: Tensor, segmentation: Tensor) -> list[float]:
    """Soft IoU of the masks of those classes ``asked`` for (N, C) that are in the segmentation (N, H, W)."""
    target, valid = class_regions(segmentation, asked)
    there = (target & valid).flatten(1).any(1)
    # A picture that failed has no masks, and is as wrong as can be.
    masks = found.masks.new_zeros(target.shape)
    masks[found.asked[asked]] = found.masks
    return soft_overlap(masks[there], target[there], valid[there]).iou().tolist() if there.any() else []


def _pointed(maker: Masker, images: Tensor, asked: Tensor, cells: Tensor) -> list[float]:
    _, draw = maker.look(images)
    return [round(value, 6) for value in grid_pointing(draw(asked), cells).tolist()]
