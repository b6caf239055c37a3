"""Occlusion (Zeiler & Fergus, ECCV 2014)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.methods.base import PairMethod, listed
from explanans.methods.shared.perturbing import working_dtype
from explanans.methods.shared.reduction import check_reduction, reduce_channels
from explanans.utils.numbers import check_count


def places(side: int, window: int, step: int) -> int:
    """How many windows cover ``side`` pixels, ``step`` pixels apart; the last one may reach over the border."""
    return math.ceil((side - window) / step) + 1


def covers(side: int, window: int, step: int, like: Tensor) -> Tensor:
    """(places, side): 1 where a window covers."""
    starts = step * torch.arange(places(side, window, step), device=like.device)
    pixels = torch.arange(side, device=like.device)
    return ((pixels >= starts[:, None]) & (pixels < starts[:, None] + window)).to(working_dtype(like))


@listed("occlusion", "Occlusion")
class Occlusion(PairMethod):
    """How much the logit falls when a square is covered with 0, the mean colour.

        S_c(λ) = mean over the squares Q that cover pixel λ of z_c(x) − z_c(x with Q covered)

    Draws nothing. One forward pass for each place of the square (:func:`places` down times across, about 360 with the
    defaults) and one for the whole image, whatever the number of classes.

    Args:
        explanandum: the classifier.
        window, stride: side of the square and its step, as shares of the image's shorter side.
        batch_size: covered images in one forward pass.
        reduction: what becomes of evidence against the class, see
            :func:`~explanans.methods.shared.reduction.reduce_channels`: "positive" cuts it off, "signed" keeps it.

    Raises:
        InputError: an unknown reduction, a number below 1, or a step that leaves gaps.
    """

    asks_often = True

    def __init__(
        self,
        explanandum: Explanandum,
        *,
        window: float = 0.15,
        stride: float = 0.05,
        batch_size: int = 32,
        reduction: str = "positive",
    ) -> None:
        if not 0 < stride <= window <= 1:
            raise InputError(f"window={window}, stride={stride}; want 0 < stride ≤ window ≤ 1, shares of the image.")
        self.explanandum, self.batch_size = explanandum, check_count("batch_size", batch_size)
        self.window, self.stride = window, stride
        self.reduction = check_reduction(reduction)

    def pixels(self, height: int, width: int) -> tuple[int, int]:
        """Window and step in pixels of an image."""
        window, step = (max(1, round(share * min(height, width))) for share in (self.window, self.stride))
        return window, step

    def questions(self, height: int, width: int) -> int:
        """One for each place of the square, and one for the whole image."""
        window, step = self.pixels(height, width)
        return 1 + places(height, window, step) * places(width, window, step)

    @torch.no_grad()
    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        height, width = images.shape[-2:]
        window, step = self.pixels(height, width)
        rows, columns = covers(height, window, step, images), covers(width, window, step, images)
        covering = rows.sum(0)[:, None] * columns.sum(0)
        maps = [images.new_zeros(0, height, width)]
        for row in asked.any(1).nonzero().flatten().tolist():
            falls = self._falls(images[row : row + 1], asked[row].nonzero().flatten(), rows, columns)
            means = torch.einsum("ijp,ih,jw->phw", falls, rows, columns) / covering
            maps.append(reduce_channels(means[:, None], self.reduction).to(images.dtype))
        return torch.cat(maps)

    def _falls(self, image: Tensor, classes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Of the logits of ``classes`` (P,), for each place (down, across, P)."""
        whole = self.explanandum(image)[:, classes].to(rows.dtype)
        falls = []
        for numbers in torch.arange(len(rows) * len(columns), device=image.device).split(self.batch_size):
            down, across = numbers // len(columns), numbers % len(columns)
            covered = rows[down][:, None, :, None] * columns[across][:, None, None, :]
            falls.append(whole - self.explanandum(image * (1 - covered).to(image.dtype))[:, classes].to(rows.dtype))
        return torch.cat(falls).view(len(rows), len(columns), -1)
