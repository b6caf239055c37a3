"""Zip and tar archives of pictures, read within limits: what is unpacked is bounded before it is decoded.

A few kilobytes can unpack to as many gigabytes. A member, and what tar itself keeps in memory of one (its long names),
is at most ``MAX_MEMBER`` bytes, and a compressed tar, which is read from its beginning, at most ``MAX_RATIO`` times its
own size. Pictures are compressed already, so that honest archives stay far below.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from explanans.errors import InputError
from explanans.images.reading import ImageError
from explanans.utils.text import printable, shortened

MAX_MEMBER = 256 * 2**20
MAX_RATIO = 50
# What a small archive of well-packed bitmaps may unpack to.
FREE = 2**30


class ArchiveTooLarge(InputError):
    """An archive unpacks to more than its size allows."""


def list_zip(path: Path) -> Iterator[tuple[str]]:
    """The names of the files, in alphabetical order."""
    with _readable(path), zipfile.ZipFile(path) as archive:
        names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    yield from ((name,) for name in names)


def list_tar(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, beginning and length of each file in the unpacked tar, in the archive's order.

    That order is the only one that a compressed tar can be read in, and one is read to its very end, where its checksum
    stands.
    """
    with _readable(path), open_tar(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
        for info in archive:
            if info.isfile():
                yield info.name, info.offset_data, info.size
        while stream.packed and stream.read(min(2**20, MAX_MEMBER)):
            pass


def open_tar(path: Path) -> Bounded:
    """The unpacked tar, within limits."""
    size = path.stat().st_size
    if path.suffix.lower() == ".tar":
        return Bounded(path, path.open("rb"), size, packed=False)
    return Bounded(path, gzip.open(path), FREE + MAX_RATIO * size, packed=True)


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of a zip archive.

    Raises:
        ImageError: it is encrypted, packed in a way that is not known here, damaged or larger than ``MAX_MEMBER``.
    """
    try:
        with archive.open(name) as file:
            # Not what the archive says of itself, which may be a lie.
            content = file.read(MAX_MEMBER + 1)
    except NotImplementedError as error:
        raise ImageError(
            f"is packed by a method that Python lacks ({shortened(error)}); pack the archive anew with deflate"
        ) from error
    except RuntimeError as error:
        raise ImageError("is encrypted; unpack the archive with its password and give the folder") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ImageError(f"is damaged in the archive ({shortened(error)}); pack it anew") from error
    if len(content) > MAX_MEMBER:
        raise ImageError(f"unpacks to more than {MAX_MEMBER // 2**20} MiB; give it as a file of its own")
    return content


class Bounded(io.RawIOBase):
    """A stream that refuses single reads over ``MAX_MEMBER`` and more than ``limit`` bytes in all.

    Args:
        path: what the messages name.
        stream: closed with this one.
        limit: how far it may be read.
        packed: whether the stream is unpacked while it is read.
    """

    def __init__(self, path: Path, stream: IO[bytes] | gzip.GzipFile, limit: int, *, packed: bool) -> None:
        self.path, self.stream, self.limit, self.packed = path, stream, limit, packed

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.stream.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        end = offset + (self.tell() if whence == io.SEEK_CUR else 0)
        self._check(end)
        return self.stream.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_MEMBER:
            raise ArchiveTooLarge(
                f"images: {printable(self.path)} has a part of more than {MAX_MEMBER // 2**20} MiB; unpack it and give "
                "the folder, if you trust it."
            )
        self._check(self.tell() + size)
        return self.stream.read(size)

    def close(self) -> None:
        self.stream.close()
        super().close()

    def _check(self, end: int) -> None:
        # A reader's last block may begin before the limit and ask beyond it.
        if end > self.limit + MAX_MEMBER:
            raise ArchiveTooLarge(
                f"images: {printable(self.path)} unpacks to more than {MAX_RATIO} times its size; it looks like an "
                "archive that is made to fill memory. Unpack it and give the folder, if you trust it."
            )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, UnicodeError) as error:
        raise InputError(
            f"images: {printable(path)} cannot be read ({type(error).__name__}: {shortened(error)}); the archive is "
            "damaged or no archive. Copy or pack it anew."
        ) from error
