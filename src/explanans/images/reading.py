"""A picture from wherever it comes → RGB, or an error that says in one line what is wrong with it."""

from __future__ import annotations

import io
import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from explanans.errors import InputError
from explanans.utils.text import printable, shortened

MAX_PIXELS = 200_000_000
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# What is in a file decides, not its name; Pillow would run Ghostscript for some of the others.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

STRIP = 256
"""Rows of a picture with transparency that are composited together."""

_PNG, _CHECKSUM, _MOST_EXIF = b"\x89PNG\r\n\x1a\n", 4, 2**20

_FORMS = (
    "An image is a path, bytes or a binary file, a PIL image, a numpy array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), "
    "or a torch tensor (C, H, W) with 1, 3 or 4 channels; pixels are uint8, uint16, bool or floats in [0, 1]."
)

# Pillow's limit is a global that Image.open reads. The lock keeps two threads from restoring each other's value; a
# process that is forked while another thread holds it would wait for ever, so a child starts with a fresh one.
_limit_lock = threading.Lock()


def _renew_limit_lock() -> None:
    global _limit_lock
    _limit_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_limit_lock)


class ImageError(InputError):
    """A picture cannot be used.

    Attributes:
        path: the file, or None where the picture did not come from one.
        reason: what is wrong, in one line, without the path.
    """

    def __init__(self, reason: str, path: str | Path | None = None) -> None:
        super().__init__(reason if path is None else f"{printable(path)}: {reason}")
        self.reason = reason
        self.path = None if path is None else Path(path)


def read_image(source: Any, *, fit: tuple[int, int] | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Any picture → a PIL image in mode RGB that shares no memory with ``source``.

    EXIF rotation is applied. What is transparent is composited over white. 16-bit values are scaled by 1/257 (not
    clipped); 32-bit integer pictures are read as 16-bit ones, 32-bit float pictures as [0, 1], and values outside are
    an error. CMYK is converted without colour management. Of an animation the first frame is read.

    Args:
        source: a path, bytes or a binary file, a PIL image, a numpy array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4),
            or a torch tensor (C, H, W); arrays and tensors are uint8, uint16, bool or floats in [0, 1].
        fit: (height, width) that the picture will be resized to. A JPEG that is at least four times as large is then
            decoded at 1/2, 1/4 or 1/8 of its size, never below twice ``fit``; everything else is not changed.
        max_pixels: a file whose header promises more is refused before anything is decoded. This replaces Pillow's
            ``MAX_IMAGE_PIXELS`` for this call; raise it for files that you trust.

    Raises:
        ImageError: missing, empty, truncated, too large, not a picture, or an array of another form.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    # A tensor can only come from a torch that is imported already.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(source, torch.Tensor):
        return _from_tensor(source)
    with open_picture(source, max_pixels=max_pixels) as picture:
        # draft() works in place, which is not ours to do to a picture that the caller holds.
        if fit is not None and picture is not source:
            # The longer side for both, because a rotated picture is stored with height and width exchanged.
            picture.draft(None, (2 * max(fit), 2 * max(fit)))
        if picture is source:
            return _rgb(ImageOps.exif_transpose(picture))
        # A copy of a large picture would be the most that the memory ever holds.
        ImageOps.exif_transpose(picture, in_place=True)
        return _rgb(picture)


def image_size(source: Any, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(height, width) of a file's picture after EXIF rotation; no pixel is decoded."""
    with open_picture(source, max_pixels=max_pixels) as picture:
        orientation = _exif(picture).get(0x0112, 1)
        return (picture.width, picture.height) if orientation in (5, 6, 7, 8) else (picture.height, picture.width)


def _exif(picture: Image.Image) -> Image.Exif:
    """Pillow decodes a PNG to see whether EXIF data come behind its pixels."""
    if isinstance(picture, PngImagePlugin.PngImageFile) and "exif" not in picture.info and picture.fp is not None:
        content = _exif_chunk(picture.fp)
        if content:
            exif = Image.Exif()
            exif.load(content)
            return exif
    return Image.Image.getexif(picture)


def _exif_chunk(file: IO[bytes]) -> bytes:
    """The EXIF data of a PNG, wherever they are; empty where there are none."""
    position = file.tell()
    try:
        file.seek(len(_PNG))
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                content = file.read(min(length, _MOST_EXIF))
                return content if len(content) == length else b""
            file.seek(length + _CHECKSUM, os.SEEK_CUR)
        return b""
    finally:
        file.seek(position)


@contextmanager
def open_picture(source: Any, *, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """The picture as it is stored, with only its header read; whatever goes wrong in the block is an ImageError."""
    if isinstance(source, Image.Image):
        path, opened = getattr(source, "filename", None) or None, source
        with _explained(path):
            yield opened
        return
    path, file = _as_file(source)
    with _explained(path):
        _refuse_special(file)
        if isinstance(file, io.BytesIO) and not file.getbuffer().nbytes:
            raise ImageError("there are no bytes to read", path)
        with _open(file, max_pixels) as opened:
            if opened.width * opened.height > max_pixels:
                raise ImageError(
                    f"{opened.width} x {opened.height} pixels exceed the limit of {max_pixels:,} that protects from "
                    "decompression bombs; if you trust the file, raise max_pixels",
                    path,
                )
            yield opened


def _as_file(source: Any) -> tuple[str | Path | None, str | Path | IO[bytes]]:
    if isinstance(source, str | Path):
        return source, source
    if isinstance(source, bytes | bytearray | memoryview):
        return None, io.BytesIO(source)
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return (name if isinstance(name, str) else None), source
    raise ImageError(f"image is a {type(source).__name__}. {_FORMS}")


def _refuse_special(file: str | Path | IO[bytes]) -> None:
    """A pipe would be waited for, and a device has no end."""
    path = Path(file) if isinstance(file, str | Path) else None
    if path is not None and path.exists() and not path.is_dir() and not path.is_file():
        raise ImageError("is no regular file", path)


def _open(file: str | Path | IO[bytes], max_pixels: int) -> Image.Image:
    with _limit_lock:
        pillows, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
        try:
            return Image.open(file, formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = pillows


@contextmanager
def _explained(path: str | Path | None) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        if error.path is None and path is not None:
            raise ImageError(error.reason, path) from error
        raise
    # Pillow's readers raise nearly everything on a damaged file: OSError, SyntaxError, ValueError, struct.error, …
    except Exception as error:
        raise ImageError(_reason(path, error), path) from error


def _reason(path: str | Path | None, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError) or (path is not None and os.path.isdir(path)):  # noqa: PTH112 - takes a name that is too long
        return "this is a folder; give a file"
    if isinstance(error, UnidentifiedImageError):
        empty = path is not None and Path(path).is_file() and not Path(path).stat().st_size
        return "the file is empty" if empty else f"not a picture of a format that is read here ({', '.join(FORMATS)})"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        pixels = " ".join(str(error).split())
        return f"too large ({pixels}); if you trust the file, raise max_pixels"
    return f"cannot be decoded: {shortened(error)}"


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "I":
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(
                f"32-bit pixels from {values.min()} to {values.max()}; an integer picture is read as 16 bits, "
                "0 to 65535: scale it first"
            )
        return _from_array(values.astype(np.uint16))
    if picture.mode == "F" or picture.mode.startswith("I;16"):
        return _from_array(np.asarray(picture))
    if picture.has_transparency_data:
        return _over_white(picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _over_white(picture: Image.Image) -> Image.Image:
    """Strip by strip, since Pillow needs five copies of the whole."""
    flat = Image.new("RGB", picture.size)
    for top in range(0, picture.height, STRIP):
        strip = picture.crop((0, top, picture.width, min(top + STRIP, picture.height))).convert("RGBA")
        flat.paste(Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip), (0, top))
    return flat


def _from_tensor(tensor: Any) -> Image.Image:
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3, 4):
        raise ImageError(f"image is a tensor of shape {tuple(tensor.shape)}. {_FORMS}")
    values = tensor.detach().cpu().permute(1, 2, 0)
    return _from_array((values.float() if values.is_floating_point() else values).numpy())


def _from_array(values: np.ndarray) -> Image.Image:
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)) or not values.size:
        hint = " It looks like channels first: transpose(1, 2, 0)." if values.shape[:1] in ((1,), (3,)) else ""
        raise ImageError(f"image is an array of shape {values.shape}.{hint} {_FORMS}")
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    return _rgb(Image.fromarray(np.ascontiguousarray(_to_uint8(values))))


def _to_uint8(values: np.ndarray) -> np.ndarray:
    """bool, uint16 (scaled by 1/257) or float in [0, 1] → uint8, rounded to the nearest."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if values.dtype.kind != "f":
        raise ImageError(f"image has pixels of type {values.dtype}. {_FORMS}")
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):
        raise ImageError(
            f"image has float pixels from {low:g} to {high:g}; they must lie in [0, 1]: divide by the largest value "
            "that a pixel can have, or undo a normalisation with Preprocessing.denormalise"
        )
    return np.rint(values.astype(np.float32) * 255).astype(np.uint8)
