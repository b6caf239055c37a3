"""What some photos of a class have in common, to the pixel, and others have not.

Masks are not looked at. A shortcut in a fifth of a class's photos hardly shows in the mean of its masks, but the few
photos that have it are the same there, and no two others are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

from explanans.audit.geometry import GRID
from explanans.audit.suspects.cell_pixels import Numbers, by_cell, faint
from explanans.audit.suspects.suspect import FEWEST
from explanans.audit.suspects.whole_place import Cells, connected

LIKE = 0.97
"""Likeness of two photos in a cell from which they have the same there."""
MEMBERS = 0.8
"""A cell belongs to a place if so many of the photos are alike in it, and a photo if it is alike in so many cells."""
TRIED = 20
"""Cells that what is in common may begin in."""
RARE = 0.1
"""What more strangers than this have as well is not in common."""
DUPLICATE = 0.5
"""Photos that are alike in more of the frame are the same photo twice, or frames of a film: they are no evidence."""
PATTERN = 0.3
"""Cosine of the fine parts of two photos from which they have a pattern in common."""
COPIES = 0.98
"""… and from which they are copies."""
SURE = 3.0
"""Standard errors, see :func:`excess`, from which what photos have in common is hardly there by chance."""
WINDOW = 5
"""Pixels, of the blur that is taken away from a photo to see what is fine in it."""
ALL_OVER = 0.3
"""Of the frame, see :func:`spread`, that a pattern covers; what covers less has a place."""
_AT_ONCE = 16

Places = NDArray[np.int64]


def likeness(some: Numbers, others: Numbers, least: float) -> Numbers:
    """2 a·b / (a² + b² + l²) of entries of (C, N, D) and (C, M, D), all pairs (C, N, M): 1 where they are the same.

    Unlike a cosine it is small where one is the other many times over, and where both are shorter than ``least``.
    """
    dots = np.matmul(some, others.transpose(0, 2, 1))
    lengths = (some**2).sum(-1)[:, :, None] + (others**2).sum(-1)[:, None]
    return np.asarray(2 * dots / (lengths + least**2), np.float32)


def excess(own: Numbers, count: int, strange: Numbers, strangers: int) -> Numbers:
    """How much oftener something is found in ``count`` photos (``own`` times) than in strangers, in standard errors.

    (p − q) / √(p (1 − p) / n + q (1 − q) / m) with half a photo more that has it and half a photo that has it not.
    """
    p, q = (own + 0.5) / (count + 1), (strange + 0.5) / (strangers + 1)
    return np.asarray((p - q) / np.sqrt(p * (1 - p) / count + q * (1 - q) / strangers), np.float32)


def common_place(images: Tensor, strangers: Tensor) -> tuple[Cells, Places, float]:
    """Cells (16, 16) in which some of the images are the same, which images, and their :func:`excess`.

    In each cell there is an image that most oftener looks like other images than like strangers (:func:`excess`). Of
    the cells with the most that one is taken around which the sum of it is largest, of what hangs together: in a small
    cell a few may well be alike by chance, in many cells the same few are not.

    Args:
        images: (N, K, H, W), of a class.
        strangers: (M, K, H, W), without it.
    """
    others = by_cell(strangers)
    usual = others.mean(0)
    least = faint(others, usual)
    own, strange = ((cells - usual).transpose(1, 0, 2) for cells in (by_cell(images), others))
    alike = likeness(own, own, least) >= LIKE
    alike &= ~_beside_itself(alike.mean(0) > DUPLICATE)
    alike |= np.eye(len(images), dtype=np.bool_)
    known = (likeness(own, strange, least) >= LIKE).sum(2)
    much = excess(alike.sum(2), len(images), known, len(strangers))
    best = max(
        (
            _around(int(cell), int(much[cell].argmax()), alike, known <= RARE * len(strangers), much)
            for cell in np.argsort(-much.max(1), kind="stable")[:TRIED]
        ),
        key=lambda found: found[2],
    )
    region, image = best[:2]
    members = np.flatnonzero(alike[region.ravel(), image].mean(0) >= MEMBERS)
    return region, members, float(much[region.ravel(), image].max())


def _around(
    cell: int, image: int, alike: NDArray[np.bool_], rare: NDArray[np.bool_], much: Numbers
) -> tuple[Cells, int, float]:
    """What hangs together with a cell in which images are like one image, that image, and the excess there, summed."""
    members = np.flatnonzero(alike[cell, image])
    same = (alike[:, image][:, members].mean(1) >= MEMBERS) & rare[:, image] & (len(members) >= FEWEST)
    start = np.zeros((GRID, GRID), np.bool_)
    start.flat[cell] = True
    region = connected(start, same.reshape(GRID, GRID))
    return region, image, float(much[region.ravel(), image].sum())


def fine(images: Tensor) -> Tensor:
    """Images (N, K, H, W) less themselves behind a Gaussian blur of 5 pixels."""
    return images - gaussian_blur(images, [WINDOW] * 2, [WINDOW / 4] * 2)


@dataclass(frozen=True)
class Pattern:
    """Fine lines, dots or edges that some images have at the same pixels.

    Attributes:
        members: numbers of these images.
        excess: see :func:`excess`.
        mean: of what is fine in them, (K, H, W).
        covers: of the frame, see :func:`spread`.
    """

    members: Places
    excess: float
    mean: Tensor
    covers: float

    @property
    def all_over(self) -> bool:
        """Whether it is all over the frame, and so has no place."""
        return self.covers >= ALL_OVER

    def strongest(self) -> Cells:
        """The cell (16, 16) that has most of it."""
        region = np.zeros((GRID, GRID), np.bool_)
        region.flat[int(_energy(self.mean).argmax())] = True
        return region


def common_pattern(images: Tensor, strangers: Tensor) -> Pattern:
    """The pattern of the image and those like it that are most oftener found among the images than among strangers.

    Args:
        images: (N, K, H, W), of a class.
        strangers: (M, K, H, W), without it.
    """
    own, strange = (torch.cat([_direction(some) for some in all_of.split(_AT_ONCE)]) for all_of in (images, strangers))
    cosines = (own @ own.T).cpu().numpy()
    alike = (cosines >= PATTERN) & ~_beside_itself(cosines > COPIES)
    alike |= np.eye(len(images), dtype=np.bool_)
    known = torch.count_nonzero(own @ strange.T >= PATTERN, 1).cpu().numpy()
    much = excess(alike.sum(1), len(images), known, len(strangers))
    members = np.flatnonzero(alike[int(much.argmax())])
    mean = fine(images[members]).mean(0)
    return Pattern(members, float(much.max()), mean, spread(mean))


def _direction(images: Tensor) -> Tensor:
    """What is fine in images (N, K, H, W), in length 1, (N, K · H · W)."""
    return functional.normalize(fine(images).float().flatten(1), dim=1)


def spread(pattern: Tensor) -> float:
    """Over how much of the frame a pattern (K, H, W) is spread: (Σ e)² / (256 Σ e²) with e the mean square in a cell.

    1 where it is everywhere alike, and the share of the cells that have it where these are alike.
    """
    energy = _energy(pattern)
    return float(energy.sum() ** 2 / (len(energy) * (energy**2).sum()).clamp(min=torch.finfo(torch.double).tiny))


def _energy(pattern: Tensor) -> Tensor:
    """Mean square in each cell, (256,)."""
    return functional.adaptive_avg_pool2d((pattern.double() ** 2).sum(0)[None], GRID).flatten()


def _beside_itself(pairs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return pairs & ~np.eye(len(pairs), dtype=np.bool_)
