"""The numbers of a segmentation: what they mean, and the bits that they take in memory and in a file.

0 is background and c + 1 class c. With up to 254 classes a number has 8 bits, and 255 is void: uint8 in memory and in a
PNG. With more it has 16, and 65535 is void: uint16 in a PNG, int32 in memory, since torch computes little with uint16.
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from explanans.errors import InputError

BACKGROUND = 0
FEW, MOST = 254, 65534
"""Classes that 8 bits name, and 16."""

VOIDS = {"uint8": FEW + 1, "uint16": MOST + 1, "int32": MOST + 1}
"""By type the number that is void."""


def numbers_type(classes: int) -> np.dtype[Any]:
    """uint8 or int32: what the numbers of so many classes have in memory."""
    return np.dtype(np.uint8 if classes <= FEW else np.int32)


@overload
def not_void(segmentation: Tensor) -> Tensor: ...
@overload
def not_void(segmentation: NDArray[Any]) -> NDArray[np.bool_]: ...
def not_void(segmentation: Tensor | NDArray[Any]) -> Tensor | NDArray[np.bool_]:
    """Which pixels count, bool in the same shape."""
    return segmentation != void_of(segmentation.dtype)


def void_of(dtype: Any) -> int:
    """The number that is void in a segmentation of this type, of torch or NumPy.

    Raises:
        InputError: another type than a segmentation has.
    """
    name = str(dtype).removeprefix("torch.")
    if name not in VOIDS:
        raise InputError(
            f"segmentation is {dtype}; give uint8, where {VOIDS['uint8']} is void, or for more than {FEW} classes "
            f"int32, where {VOIDS['int32']} is."
        )
    return VOIDS[name]


def as_picture(numbers: NDArray[Any]) -> Image.Image:
    """A segmentation (H, W) as the grey picture that is saved as PNG: of 8 bits where it is uint8, else of 16."""
    return Image.fromarray(numbers if numbers.dtype == np.uint8 else numbers.astype(np.uint16))
