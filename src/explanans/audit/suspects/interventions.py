"""Ask the classifier about changed photos: something hidden, or pasted into photos of other classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from explanans.audit.audited_photos import Photos
from explanans.audit.geometry import border_width
from explanans.audit.intervals import Effect, difference
from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.receipt import FILLS
from explanans.explanations.selection import Selection
from explanans.images.reading import ImageError
from explanans.ops.masking import apply_mask, make_fill
from explanans.ops.nearness import near
from explanans.utils.devices import like

PROBES = 60
"""Photos that a suspicion is tested on."""
REMEMBERED = 600
"""Photos whose pixels stay in memory: the suspicions of a class are tested on much the same ones."""


class Interventions:
    """The classifier and the photos of an audit, asked about changed photos.

    Args:
        explanandum: on the device that computes.
        photos: of the audit.
        selection: which classes count as seen.
        batch_size: photos in one forward pass.
        left_out: photos that cannot be used.
    """

    def __init__(
        self,
        explanandum: Explanandum,
        photos: Photos,
        selection: Selection,
        batch_size: int = 16,
        left_out: Collection[int] = (),
    ) -> None:
        self.left_out = frozenset(left_out)
        self.explanandum, self.photos, self.selection, self.batch_size = explanandum, photos, selection, batch_size
        self.like = like(explanandum)
        self._pixels = lru_cache(REMEMBERED)(photos.pixels)
        self.fills = [make_fill(name, explanandum.preprocessing) for name in FILLS]

    def images(self, indices: Sequence[int]) -> Tensor:
        """Photos as the classifier sees them, (N, 3, H, W)."""
        pixels = torch.stack([self._pixels(index) for index in indices]).to(self.like.device)
        return self.explanandum.preprocessing.normalise(pixels).to(self.like)

    @torch.no_grad()
    def sees(self, images: Tensor, column: int) -> Tensor:
        """bool (N,): whether the class is seen in each."""
        found = [images.new_zeros(0, dtype=torch.bool)]
        for some in images.split(self.batch_size):
            probabilities = self.explanandum.probabilities(self.explanandum.laid_out(some))
            found.append(self.selection.seen(self.explanandum, probabilities)[:, column])
        return torch.cat(found)

    def sees_without(self, images: Tensor, hidden: Tensor, column: int) -> Tensor:
        """Whether the class is seen though ``hidden``, bool (N, H, W), is behind the mean colour and behind a blur."""
        shown = [apply_mask(images, ~hidden, fill(images)) for fill in self.fills]
        return torch.stack([self.sees(some, column) for some in shown]).all(0)

    def gone_without(self, images: Tensor, hidden: Tensor, column: int) -> float:
        """Share of the images with the class in which it is not seen any more where ``hidden`` is; 0 without any."""
        seen = self.sees(images, column)
        gone = seen & ~self.sees_without(images, hidden, column)
        return float(gone.sum()) / max(1, int(seen.sum()))

    def pasted(self, sources: Tensor, regions: Tensor, targets: Tensor, column: int) -> Effect:
        """Whether a class appears in other photos where a region of its photos is pasted into them.

        Source and region k go into target k, and again from the first where they are fewer; the control is the same
        region of the next target, pasted likewise.

        Args:
            sources: (N, 3, H, W), of photos with the class.
            regions: bool (N, H, W).
            targets: (K, 3, H, W), of photos in which it is not seen.
        """
        which = cycled(range(len(sources)), len(targets))
        sources, regions = sources[which], regions[which]
        with_it = self.sees(apply_mask(sources, regions, targets), column)
        strangers = targets.roll(1, 0)
        without = self.sees(apply_mask(strangers, regions, targets), column)
        return difference(int(with_it.sum()), len(with_it), int(without.sum()), len(without))

    def in_range(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) cut to the values that pixels can have."""
        ends = torch.zeros(self.explanandum.preprocessing.channels, 1, 1, device=images.device)
        low, high = (self.explanandum.preprocessing.normalise(ends + end) for end in (0, 1))
        return torch.minimum(torch.maximum(images, low), high)

    def size(self) -> tuple[int, int]:
        return self.explanandum.preprocessing.height, self.explanandum.preprocessing.width

    def enlarged(self, cells: np.ndarray) -> Tensor:
        """Regions on the grid, bool (N, 16, 16), at the classifier's size."""
        shares = torch.from_numpy(cells.astype(np.float32))[:, None]
        return (functional.interpolate(shares, self.size(), mode="nearest-exact")[:, 0] > 0.5).to(self.like.device)

    def objects(self, indices: Sequence[int], column: int) -> tuple[list[int], Tensor]:
        """Of photos those whose objects of the class are known and there, and where: bool (N, H, W)."""
        good, regions = [], []
        for index in indices:
            try:
                found = self.photos.objects(index, [column])
            except (ImageError, ValueError):
                # The pass has said what is wrong with it, in the row's column ``trouble``.
                continue
            if found is not None and found.regions.any():
                good.append(index)
                regions.append(found.regions[0])
        stacked = torch.stack(regions) if regions else torch.zeros(0, *self.size(), dtype=torch.bool)
        return good, stacked.to(self.like.device)

    def objects_in(self, indices: Sequence[int], column: int) -> Tensor | None:
        """Where the class's objects are in each photo, bool (N, H, W), nowhere in those of which it is not known; None
        where it is known of none.
        """
        if not self.photos.located:
            return None
        known, regions = self.objects(indices, column)
        if not known:
            return None
        found = torch.zeros(len(indices), *self.size(), dtype=torch.bool, device=self.like.device)
        found[[indices.index(index) for index in known]] = regions
        return found

    def beside(self, regions: Tensor, objects: Tensor | None) -> Tensor:
        """Regions (N, H, W) bool without the objects, see :meth:`objects_in`, and their border."""
        return regions if objects is None else regions & ~near(objects, border_width(*self.size()))


def on_objects(regions: Tensor, objects: Tensor) -> Tensor:
    """How much of each region (N, H, W) bool lies on the objects (N, H, W), in [0, 1], (N,); 0 for an empty region."""
    return (objects & regions).sum((1, 2)) / regions.sum((1, 2)).clamp(min=1)


def spread(items: Sequence[int], most: int) -> list[int]:
    """At most so many of the items, evenly from first to last."""
    if len(items) <= most:
        return list(items)
    return [items[place] for place in np.linspace(0, len(items) - 1, most).round().astype(int)]


def cycled(items: Sequence[int], count: int) -> list[int]:
    """``count`` of the items, again from the first where they are fewer."""
    return [items[n % len(items)] for n in range(count)]
