"""Run lengths of a mask as the brush of Label Studio has them: the packed bits of thi.ng's rle-pack.

A head of 32 bits (number of values), 5 (bits of a value − 1) and 4 × 4 (bits of a run's length − 1); then runs, each a
bit that is 1, two bits that choose one of the four sizes, the length − 1 and the value. A bit that is 0 begins values
that are written one by one, which are read here and never written. The values are those of an RGBA picture, row by
row, all four of a pixel the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explanans.errors import InputError

SIZES = (3, 4, 8, 16)
CHANNELS, WORD, INSIDE = 4, 8, 255


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """A binary mask (H, W) as bytes."""
    flat = mask.ravel()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    lengths = np.diff(np.concatenate([starts, [flat.size]])) * CHANNELS
    pieces = [f"{flat.size * CHANNELS:032b}", f"{WORD - 1:05b}", *(f"{size - 1:04b}" for size in SIZES)]
    longest = 1 << SIZES[-1]
    for value, length in zip(flat[starts].tolist(), lengths.tolist(), strict=True):
        left = length
        while left:
            run = min(left, longest)
            choice = next(place for place, size in enumerate(SIZES) if run <= 1 << size)
            pieces.append(f"1{choice:02b}{run - 1:0{SIZES[choice]}b}{INSIDE * value:08b}")
            left -= run
    bits = "".join(pieces)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


def decode_brush(code: Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """The mask (H, W) that is meant: a pixel is inside where its last value (alpha) is not 0.

    Raises:
        InputError: bytes that are no such code, or of another size.
    """
    try:
        bits = "".join(f"{byte:08b}" for byte in bytes(code))
        values = _values(bits)
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(f"rle is no code of Label Studio's brush ({error}); export the annotations anew.") from error
    if values.size != height * width * CHANNELS:
        raise InputError(
            f"rle holds {values.size} values; a picture of {width} × {height} pixels has {height * width * CHANNELS}."
        )
    return values.reshape(height, width, CHANNELS)[..., -1] > 0


def _values(bits: str) -> NDArray[np.uint8]:
    place = 0

    def read(count: int) -> int:
        nonlocal place
        if place + count > len(bits):
            raise ValueError("it ends too early")
        place += count
        return int(bits[place - count : place], 2)

    number, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    if number > 4 * len(bits) << 16 or word != WORD:
        raise ValueError(f"{number} values of {word} bits")
    values = np.zeros(number, np.uint8)
    done = 0
    while done < number:
        is_run = read(1)
        length = read(sizes[read(2)]) + 1
        if is_run:
            values[done : done + length] = read(word)
        else:
            values[done : done + length] = [read(word) for _ in range(length)]
        done += length
    return values
