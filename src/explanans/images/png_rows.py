"""A greyscale PNG that is written some rows at a time, so that the picture is never whole in memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"

UP = 2
"""The filter of every row: each pixel less the one above it. It leaves zeros of masks, and runs are packed fast."""


def write_grey(path: Path, size: tuple[int, int], rows: Iterable[NDArray[np.uint8]]) -> None:
    """Write 8-bit grey pixels (PNG, third edition: ISO/IEC 15948).

    Args:
        size: width and height.
        rows: (K, W), from the upper ones to the lower ones; together H of them.
    """
    width, height = size
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    above = np.zeros((1, width), np.uint8)
    with path.open("wb") as file:
        file.write(SIGNATURE)
        # Eight bits, grey, and the only ways to compress, to filter and not to interlace.
        _write(file, b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
        for some in rows:
            lines = np.full((len(some), width + 1), UP, np.uint8)
            np.subtract(some, np.concatenate([above, some[:-1]]), out=lines[:, 1:])
            above = some[-1:]
            _write(file, b"IDAT", packer.compress(lines.tobytes()))
        _write(file, b"IDAT", packer.flush())
        _write(file, b"IEND", b"")


def _write(file: IO[bytes], kind: bytes, content: bytes) -> None:
    if not content and kind == b"IDAT":
        return
    checksum = zlib.crc32(content, zlib.crc32(kind))
    file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum))
