"""The same thing in several photos, wherever it lies: patches that match, and how far the thing goes on around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from explanans.audit.suspects.cell_pixels import blocks, faint, sameness
from explanans.audit.suspects.in_common import excess
from explanans.audit.suspects.whole_place import connected

SIDE = 32
"""Values across a photo in which patches are compared, and PATCH across a patch: about a sixth of the frame."""
PATCH = 5
MATCH = 0.9
"""Cosine of two patches, each less its mean colour, from which they show the same."""
CONTRAST = 0.5
"""Of the median: patches with less contrast are flat, and match by chance."""
FLAT = 1e-3
"""Contrast that is rounding errors."""
INSIDE = 0.5
"""A patch counts where so much of it lies in the mask."""
TRIED = 1500
"""Patches that are looked for in the other photos, at most."""
FINER = 2
"""By so much finer it is compared how far the thing goes on, in a window of three patches."""
SAME = 0.6
"""Mean cosine from which what lies around a patch belongs to the thing."""

_PLACES = SIDE - PATCH + 1


@dataclass(frozen=True)
class Patches:
    """Patches of photos, in length 1 and without their mean colour: what is of one colour is no thing.

    Attributes:
        values: (P, K · 25).
        photo: (P,) number of each one's photo.
        row, column: (P,) of its upper left value on the grid of 32 × 32.
        contrast: (P,) its length before.
    """

    values: Tensor
    photo: Tensor
    row: Tensor
    column: Tensor
    contrast: Tensor

    def __getitem__(self, which: Tensor) -> Patches:
        return Patches(*(part[which] for part in vars(self).values()))

    def __len__(self) -> int:
        return len(self.values)


def patches_of(images: Tensor, masks: Tensor) -> Patches:
    """All patches of images (N, K, H, W) that lie in masks bool (N, H, W) at least by half."""
    cells = functional.unfold(_resized(images.float(), SIDE), PATCH).transpose(1, 2)
    inside = functional.unfold(_resized(masks[:, None].float(), SIDE), PATCH).mean(1) >= INSIDE
    photo, place = inside.nonzero(as_tuple=True)
    by_channel = cells[photo, place].unflatten(1, (images.shape[1], -1))
    centred = (by_channel - by_channel.mean(2, keepdim=True)).flatten(1)
    contrast = centred.norm(dim=1)
    values = centred / contrast[:, None].clamp(min=torch.finfo(centred.dtype).tiny)
    return Patches(values, photo, place // _PLACES, place % _PLACES, contrast)


def repeated(own: Patches, photos: int, strange: Patches, strangers: int) -> tuple[Patches, float]:
    """Of the patch that is found most oftener in the photos than in the strangers the best match in each photo that has
    one, in the order of the photos, and its :func:`~explanans.audit.suspects.in_common.excess`; none and 0 without a
    patch.

    Args:
        own, strange: patches of so many photos, and of so many strangers.
    """
    if not len(own):
        return own, 0.0
    least = max(FLAT, CONTRAST * float(own.contrast.median()))
    own, strange = own[own.contrast >= least], strange[strange.contrast >= least]
    tried = ((own.row % 2 == 0) & (own.column % 2 == 0)).nonzero().flatten()
    if not len(tried):
        return own[tried], 0.0
    tried = tried[torch.linspace(0, len(tried) - 1, min(TRIED, len(tried))).round().long()]
    counts = [
        _photos_with(own.values[tried], patches, number).cpu().numpy()
        for patches, number in ((own, photos), (strange, strangers))
    ]
    much = excess(counts[0], photos, counts[1], strangers)
    cosines = own.values @ own.values[tried[int(much.argmax())]]
    matches = [
        of[int(cosines[of].argmax())]
        for of in ((own.photo == photo).nonzero().flatten() for photo in own.photo[cosines >= MATCH].unique())
    ]
    return own[torch.stack(matches)], float(much.max())


def thing_around(images: Tensor, found: Patches, strangers: Tensor) -> Tensor:
    """Where the thing that patches show lies in their photos, bool (P, H, W): of a window of three patches what is the
    same in all of them and hangs together with the patch.

    Args:
        images: (P, K, H, W), of each patch its photo.
        strangers: (M, K, H, W), whose mean colour is what photos have on average.
    """
    window, margin, side = 3 * PATCH * FINER, PATCH * FINER, SIDE * FINER
    padded = functional.pad(_resized(images.float(), side), [margin] * 4, mode="replicate")
    corners = list(zip((found.row * FINER).tolist(), (found.column * FINER).tolist(), strict=True))
    windows = [
        image[:, top : top + window, left : left + window] for image, (top, left) in zip(padded, corners, strict=True)
    ]
    strange = blocks(_resized(strangers.float(), side), FINER)
    usual = strange.mean((0, 1))
    alike = sameness(blocks(torch.stack(windows), FINER), usual, faint(strange, usual))
    same = alike.reshape(3 * PATCH, 3 * PATCH) >= SAME
    patch = np.zeros_like(same)
    patch[PATCH : 2 * PATCH, PATCH : 2 * PATCH] = True
    thing = torch.from_numpy(connected(patch, same)).repeat_interleave(FINER, 0).repeat_interleave(FINER, 1)
    canvas = torch.zeros(len(images), side + 2 * margin, side + 2 * margin)
    for each, (top, left) in zip(canvas, corners, strict=True):
        each[top : top + window, left : left + window] = thing
    inner = canvas[:, None, margin:-margin, margin:-margin]
    return functional.interpolate(inner, images.shape[2:], mode="nearest-exact")[:, 0].to(images.device) > 0.5


def patch_areas(found: Patches, height: int, width: int) -> Tensor:
    """Where each patch lies in its photo, bool (P, H, W)."""
    canvas = torch.zeros(len(found), 1, SIDE, SIDE)
    for each, top, left in zip(canvas, found.row.tolist(), found.column.tolist(), strict=True):
        each[:, top : top + PATCH, left : left + PATCH] = 1
    inside = functional.interpolate(canvas, (height, width), mode="nearest-exact")[:, 0] > 0.5
    return inside.to(found.values.device)


def _photos_with(templates: Tensor, patches: Patches, photos: int) -> Tensor:
    """In how many of the photos each template matches a patch, (T,)."""
    counts = templates.new_zeros(len(templates))
    for photo in range(photos):
        of = patches.values[patches.photo == photo]
        if len(of):
            counts += (of @ templates.T).amax(0) >= MATCH
    return counts


def _resized(images: Tensor, side: int) -> Tensor:
    return functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
