"""Objects below an address such as s3://bucket/path, through pyarrow: each whole or not there."""

from __future__ import annotations

import shutil
import string
import time
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from explanans.errors import InputError
from explanans.utils.temporaries import temporary_name
from explanans.utils.text import printable, shortened

WAITS = (1.0, 4.0, 15.0)
"""Seconds before what failed is tried again; pyarrow has tried three times by then."""

AT_ONCE = 8 * 2**20
"""Bytes that are sent in one request, which pyarrow does up to 10 MB; more goes in parts."""

_WHOLE_ON_CLOSE = ("s3", "gcs", "abfs")
"""Kinds of storage in which an object that goes in one request is there as a whole or not at all."""

_FINAL = {
    ("NO_SUCH_BUCKET", "bucket not found"): "there is no such bucket; make it first, or name another",
    (
        *("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT_TOKEN_ID"),
        *("EXPIRED_TOKEN", "UNRECOGNIZED_CLIENT", "status 403", "status 401"),
    ): "permission denied; check the credentials, such as AWS_ACCESS_KEY_ID and AWS_PROFILE, and what they allow: to "
    "list, read, write and delete there",
    ("PERMANENT_REDIRECT", "status 301"): "the bucket is in another region; put ?region=NAME behind the address",
}
"""What no repetition mends, by words of the error."""

T = TypeVar("T")


class Disconnected(OSError):
    """Object storage does not answer, which says nothing about what is in it."""


def shown_address(address: str) -> str:
    """An address for messages, without settings and without who is asking and a secret; a path as it is.

    >>> shown_address("s3://key:secret@bucket/masks?region=eu-central-1")
    's3://bucket/masks'
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return printable(address)
    rest = rest.partition("?")[0]
    who, at, place = rest.rpartition("@")
    return printable(scheme + separator + (place if at and ":" in who else rest))


def retried(operation: Callable[[], T], waits: Iterable[float] | None = None) -> T:
    """What ``operation`` returns, which is tried again where storage did not answer, after each of the waits.

    Raises:
        OSError: the last one; at once where it says that there is no such object, or that it is forbidden.
    """
    for wait in WAITS if waits is None else waits:
        try:
            return operation()
        except FileNotFoundError:
            raise
        except OSError as error:
            if _final(error):
                raise
            time.sleep(wait)
    return operation()


class Objects:
    """What lies below an address. Names are relative to it.

    Args:
        address: a URI that pyarrow reads.
        argument: that it came by, for messages.

    Attributes:
        shown: the address for messages.

    Raises:
        InputError: of every method too: pyarrow cannot use the address, there is no such bucket, or permission is
            denied.
        Disconnected: of every method too: it does not answer.
    """

    def __init__(self, address: str, argument: str = "out") -> None:
        # Not above: messages name addresses too, in commands that need no pyarrow.
        from pyarrow import fs

        self._fs = fs
        self.address = address
        self.shown = shown_address(address)
        self._argument = argument
        if address.lower().startswith("s3://") and "allow_delayed_open=" not in address:
            # Without it an object that is small goes in three requests, and what is interrupted between them stays.
            address += ("&" if "?" in address else "?") + "allow_delayed_open=true"
        # Blanks and umlauts may stand as they are.
        self._sent = urllib.parse.quote(address, safe=string.punctuation)
        self._system, path = self._asked(lambda: self._fs.FileSystem.from_uri(self._sent), ())
        self._base = path.rstrip("/")
        if not self._base:
            raise InputError(f"{argument}={self.shown} names no bucket; write it as in s3://bucket/path.")

    def names(self) -> dict[str, Any]:
        """What lies directly below the address, folders too: when each was changed, None for a folder. Asked once, for
        a quick refusal."""
        chosen = self._fs.FileSelector(self._base, allow_not_found=True)
        found = self._asked(lambda: self._system.get_file_info(chosen), ())
        return {each.base_name: each.mtime for each in found}

    def sizes(self, folder: str) -> dict[str, int]:
        """Every object below a folder, to the bottom, by its name there."""
        start = self._path(folder)
        chosen = self._fs.FileSelector(start, allow_not_found=True, recursive=True)
        found = self._asked(lambda: self._system.get_file_info(chosen))
        return {each.path[len(start) + 1 :]: each.size for each in found if each.type == self._fs.FileType.File}

    def fetch(self, name: str, to: Path) -> bool:
        """Copy an object into a file of this machine; False where there is none."""

        def copy() -> None:
            with self._system.open_input_file(self._path(name)) as source, to.open("wb") as file:
                shutil.copyfileobj(source, file, AT_ONCE)
                if file.tell() < source.size():
                    raise OSError(f"only {file.tell()} of {source.size()} bytes came")

        try:
            self._asked(copy)
        except FileNotFoundError:
            to.unlink(missing_ok=True)
            return False
        return True

    def write(self, name: str, content: bytes, *, waits: Iterable[float] | None = None) -> None:
        """An object is whole or not there, and an earlier one stays until the new one takes its place."""
        if len(content) <= AT_ONCE and self._system.type_name in _WHOLE_ON_CLOSE:
            self._asked(lambda: self._send(self._path(name), [content]), waits)
        else:
            pieces = (content[start : start + AT_ONCE] for start in range(0, len(content), AT_ONCE))
            self._send_aside(name, lambda: pieces, len(content))

    def upload(self, name: str, file: Path) -> None:
        """:meth:`write` from a file."""
        size = file.stat().st_size
        if size <= AT_ONCE:
            self.write(name, file.read_bytes())
        else:
            self._send_aside(name, lambda: _pieces(file), size)

    def remove(self, *names: str) -> None:
        """Delete objects; one that is not there is no error."""
        for name in names:
            try:
                self._asked(lambda name=name: self._system.delete_file(self._path(name)))  # type: ignore[misc]
            except FileNotFoundError:
                continue

    def _send_aside(self, name: str, pieces: Callable[[], Iterable[bytes]], size: int) -> None:
        """Under another name first: a stream that is closed early leaves the part that was sent."""
        folder, slash, last = name.rpartition("/")
        aside = self._path(f"{folder}{slash}{temporary_name(last)}")

        def send() -> None:
            self._send(aside, pieces())
            there = self._system.get_file_info(aside).size
            if there != size:
                raise OSError(f"only {there} of {size} bytes arrived")
            self._system.move(aside, self._path(name))

        try:
            self._asked(send)
        except BaseException:
            self._forget(aside)
            raise

    def _send(self, path: str, pieces: Iterable[bytes]) -> None:
        with self._system.open_output_stream(path) as stream:
            for piece in pieces:
                stream.write(piece)

    def _forget(self, path: str) -> None:
        try:
            if self._system.get_file_info(path).type == self._fs.FileType.File:
                self._system.delete_file(path)
        except OSError:
            # It does not answer; who goes on with the job clears what is left.
            return

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def _asked(self, operation: Callable[[], T], waits: Iterable[float] | None = None) -> T:
        from pyarrow import ArrowException

        try:
            return retried(operation, waits)
        except FileNotFoundError as error:
            if _final(error) is None:
                raise
            raise self._complaint(error) from error
        except (OSError, ArrowException) as error:
            raise self._complaint(error) from error

    def _complaint(self, error: Exception) -> InputError | Disconnected:
        said = shortened(str(error).replace(self._sent, self.shown))
        if (reason := _final(error)) is not None:
            return InputError(f"{self._argument}={self.shown}: {reason} ({said}).")
        if isinstance(error, OSError):
            return Disconnected(
                f"{self._argument}={self.shown} cannot be reached ({said}). What is finished there is kept; repeat the "
                "command to go on."
            )
        return InputError(f"{self._argument}={self.shown} cannot be opened ({said}); check the address.")


def _pieces(file: Path) -> Iterable[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(AT_ONCE):
            yield piece


def _final(error: Exception) -> str | None:
    if isinstance(error, PermissionError):
        return _FINAL[next(words for words in _FINAL if "ACCESS_DENIED" in words)]
    text = str(error)
    return next((reason for words, reason in _FINAL.items() if any(word in text for word in words)), None)
