"""The bytes of a listed picture, from wherever it lies."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from pyarrow import fs

from explanans.errors import InputError
from explanans.images.archives import MAX_MEMBER, open_tar, read_member
from explanans.images.listing import Item
from explanans.images.reading import ImageError, read_image
from explanans.utils.object_storage import Disconnected, retried
from explanans.utils.text import shortened


class Opener:
    """Reads items, and keeps the last archive or table open.

    Pictures of one archive are read fastest in the order in which they were listed.
    """

    def __init__(self) -> None:
        self._path = ""
        self._file: Any = None
        self._group: tuple[int, int, Any] = (0, 0, None)

    def __call__(self, item: Item, fit: tuple[int, int]) -> Image.Image:
        """The picture, RGB; ``fit`` as for :func:`~explanans.images.reading.read_image`.

        Raises:
            ImageError: it cannot be read.
            Disconnected: the storage that holds it does not answer.
        """
        try:
            return read_image(self._bytes(item), fit=fit)
        except ImageError as error:
            raise ImageError(error.reason, item.source) from error
        except Disconnected:
            raise
        except (InputError, OSError, KeyError, ValueError, EOFError, pa.ArrowException, zipfile.BadZipFile) as error:
            raise ImageError(f"cannot be read ({type(error).__name__}: {shortened(error)})", item.source) from error

    def _bytes(self, item: Item) -> Any:
        if "://" in item.path:
            return _remote(item)
        if not item.member:
            return item.path
        if self._path != item.path:
            self._open(Path(item.path))
        if isinstance(self._file, zipfile.ZipFile):
            return read_member(self._file, item.member)
        if isinstance(self._file, pq.ParquetFile):
            return self._cell(item)
        # A compressed tar is a stream: going forward is cheap, and this is the order of the list.
        self._file.seek(item.row)
        return io.BytesIO(self._file.read(item.length))

    def _open(self, path: Path) -> None:
        """Kept open for the next picture, and closed with the process."""
        self._path, self._group = "", (0, 0, None)
        if path.suffix.lower() == ".zip":
            self._file = zipfile.ZipFile(path)
        elif path.suffix.lower() == ".parquet":
            self._file = pq.ParquetFile(path)
        else:
            self._file = open_tar(path)
        self._path = str(path)

    def _cell(self, item: Item) -> Any:
        first, last, column = self._group
        if column is None or not first <= item.row < last:
            first = 0
            for group in range(self._file.num_row_groups):
                last = first + self._file.metadata.row_group(group).num_rows
                if item.row < last:
                    column = self._file.read_row_group(group, columns=[item.member])[item.member]
                    break
                first = last
            self._group = (first, last, column)
        value = column[item.row - first].as_py()
        value = value.get("bytes") if isinstance(value, dict) else value
        if not value:
            raise ImageError("the row holds no bytes")
        return value


def _remote(item: Item) -> bytes:
    def fetch() -> bytes:
        system, path = fs.FileSystem.from_uri(item.path)
        with system.open_input_file(path) as file:
            size = file.size()
            if size > MAX_MEMBER:
                raise ImageError(f"has more than {MAX_MEMBER // 2**20} MiB")
            content = file.read()
        if len(content) < size:
            raise OSError(f"only {len(content)} of its {size} bytes came")
        return content

    try:
        return retried(fetch)
    except FileNotFoundError as error:
        raise ImageError("no such file") from error
    except OSError as error:
        raise Disconnected(f"{item.source} cannot be fetched ({shortened(error)})") from error
