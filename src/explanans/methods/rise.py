"""RISE, randomised input sampling for explanation (Petsiuk, Das & Saenko, BMVC 2018)."""

from __future__ import annotations

import math
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.methods.base import PairMethod, listed
from explanans.methods.shared.perturbing import layout, working_dtype
from explanans.utils.numbers import check_count, check_number


def upsampling(cells: int, size: int, like: Tensor) -> Tensor:
    """Bilinear upsampling of ``cells`` values along one axis, for every shift, as matrices (K, size, cells).

    With cells of K = ⌈size / cells⌉ pixels, the values are stretched to (cells + 1)·K pixels, of which the window that
    starts at pixel k is kept, k = 0 … K − 1. A mask is rows[k] @ grid @ columns[l].T: bilinear interpolation is one
    matrix product per axis.
    """
    pixels = math.ceil(size / cells)
    identity = torch.eye(cells, device=like.device, dtype=working_dtype(like))
    stretched = F.interpolate(identity[None], (cells + 1) * pixels, mode="linear", align_corners=False)[0]
    return stretched.unfold(1, size, 1)[:, :pixels].permute(1, 2, 0).contiguous()


@listed("rise", "RISE")
class RISE(PairMethod):
    """Importance of a pixel: the expected probability of the class, given that the pixel is seen.

        S_c(λ) = 1 / (p M) · Σ_i f_c(x ⊙ m_i) m_i(λ)

    m_1 … m_M are random grids of cells × cells zeros and ones (1 with probability p), bilinearly enlarged and cut out
    at a random shift of less than a cell; f_c is the classifier's own probability, sigmoid or softmax. Hidden pixels
    become 0, the mean colour.

    ``rise(images, targets)`` → raw maps (N, C, H, W), at least 0. All classes come out of one sweep of M forward passes
    per image, no backward pass. All images see the same masks, so an image's map does not depend on the others. Masks
    are made per batch. Summed up is p · grid · columns, (cells, W) numbers per class and row shift; the rows are
    enlarged once at the end. That is exact and takes a thirtieth of the work of summing whole masks; it is why masks
    come in the order of their row shift.

    Args:
        explanandum: the classifier.
        masks: M; 8,000 for ImageNet classifiers with 50 layers, 4,000 for VGG-16 in the paper.
        cells: side of the grid.
        probability: p, in (0, 1].
        batch_size: masked images per forward pass.
        channels_last: lay masked images out as convolutions on processors like them; switch off for a classifier that
            calls ``view`` on its input.
    """

    asks_often = True

    def __init__(
        self,
        explanandum: Explanandum,
        *,
        masks: int = 8000,
        cells: int = 7,
        probability: float = 0.5,
        batch_size: int = 32,
        channels_last: bool = True,
    ) -> None:
        self.explanandum = explanandum
        self.masks = check_count("masks", masks)
        self.cells = check_count("cells", cells)
        self.probability = check_number("probability", probability, 0, 1, above=True)
        self.batch_size = check_count("batch_size", batch_size)
        self.layout = layout(channels_last)

    def questions(self, height: int, width: int) -> int:
        """One for each mask."""
        return self.masks

    @torch.no_grad()
    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        height, width = images.shape[-2:]
        if not asked.any():
            return images.new_zeros(0, height, width)
        rows, columns = upsampling(self.cells, height, images), upsampling(self.cells, width, images).transpose(1, 2)
        shifts = torch.randint(len(rows), (self.masks,), device=images.device, generator=generator).sort().values
        row_shifts = shifts.tolist()
        seen = asked.any(1).nonzero().flatten().tolist()
        classes = {n: asked[n].nonzero().flatten() for n in seen}
        sums = {n: rows.new_zeros(len(classes[n]), len(rows), self.cells * width) for n in seen}
        size = min(self.batch_size, self.masks)
        masked = torch.empty(size, *images.shape[1:], dtype=images.dtype, device=images.device)
        masked = masked.contiguous(memory_format=self.layout)
        for start in range(0, self.masks, size):
            stop = min(start + size, self.masks)
            spread = (
                self._grids(stop - start, rows, generator)
                @ columns[torch.randint(len(columns), (stop - start,), device=images.device, generator=generator)]
            )
            masks = (rows[shifts[start:stop]] @ spread)[:, None].to(images.dtype)
            runs = [(shift, len(list(run))) for shift, run in groupby(row_shifts[start:stop])]
            for n in seen:
                batch = torch.mul(images[n], masks, out=masked[: stop - start])
                probabilities = self.explanandum.activate(self.explanandum(batch).to(rows.dtype))
                weights = probabilities[:, classes[n]].T
                position = 0
                for shift, count in runs:
                    part = slice(position, position + count)
                    sums[n][:, shift].addmm_(weights[:, part], spread[part].flatten(1))
                    position += count
        enlarge = rows.transpose(0, 1).reshape(height, -1) / (self.probability * self.masks)
        # A few classes at a time: a second copy of a thousand maps is 200 MB.
        parts = [part for n in seen for part in sums.pop(n).split(32)]
        return torch.cat([(enlarge @ part.view(len(part), -1, width)).to(images.dtype) for part in parts])

    def _grids(self, count: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
        grids = torch.empty(count, self.cells, self.cells, dtype=like.dtype, device=like.device)
        return grids.bernoulli_(self.probability, generator=generator)
