"""The way of one file over HTTP: go on where it broke, notice when it is another file, give up with a way out."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from pathlib import Path
from typing import IO

from explanans.data.download.checksums import check_file
from explanans.errors import InputError
from explanans.utils.files import atomic_file
from explanans.utils.progress import Progress
from explanans.version import __version__

ATTEMPTS = 5
"""Tries in a row that may bring nothing new; one that brings the file further than it was starts the count anew."""

UNANSWERED = 2
"""The same while the server has never answered: most likely there is no network."""

FIRST_PAUSE = 1.0
TIMEOUT = 30.0
"""Seconds: before the second try, doubled for each one after it; and without a byte from the server."""

_BLOCK = 1 << 20
# Others (not found, forbidden, proxy wants a password) will answer the same the next time.
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class _Broken(Exception):
    """Something that another try may overcome; the text says what."""


class Transfer:
    """One file on its way: what is there, what the server said about it, and the tries to get the rest."""

    def __init__(self, url: str, path: Path, size: int | None, checksum: str | None, page: str | None) -> None:
        self.url, self.path, self.size, self.checksum, self.page = url, path, size, checksum, page
        self.part = path.with_name(path.name + ".part")
        self.note = path.with_name(path.name + ".part.json")
        self.total = size
        # Bytes of an earlier call: the only ones that a later version of the file could have been mixed with.
        self.inherited = 0
        self.answered = False

    def run(self, bar: Progress) -> None:
        self.inherited = self._resumable()
        furthest, failures = self.inherited, 0
        while True:
            try:
                self._try(bar)
                break
            except _Broken as reason:
                reached = self._length()
                failures = 1 if reached > furthest else failures + 1
                furthest = max(furthest, reached)
                if failures >= (ATTEMPTS if self.answered else UNANSWERED):
                    raise self._by_hand(f"{reason}; tried {failures} times") from reason
                pause = FIRST_PAUSE * 2 ** (failures - 1)
                bar.say(f"{reason}; again in {pause:.0f} s")
                time.sleep(pause)
        self._finish(bar)

    def _try(self, bar: Progress) -> None:
        start = self._resumable()
        if self.size is not None and start == self.size:
            return
        headers = {"User-Agent": f"explanans/{__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if validator := self._noted()["validator"]:
                headers["If-Range"] = validator
        request = urllib.request.Request(self.url, headers=headers)
        try:
            # An opener of its own, because urlopen keeps the proxies that its first call in the process found.
            answer = urllib.request.build_opener().open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            self._refused(error, start)
        except (http.client.HTTPException, OSError) as error:
            raise _Broken(f"no answer from {urllib.parse.urlsplit(self.url).netloc} ({_reason(error)})") from error
        else:
            with answer:
                start = self._begin(answer.status, answer.headers, start)
                self._receive(answer, start, bar)

    def _refused(self, error: urllib.error.HTTPError, start: int) -> None:
        self.answered = True
        error.close()
        if error.code == 416 and start:
            # Nothing from there on: the part is the whole file, or that of another version.
            if _range_total(error.headers) == start:
                self.total = start
                return
            self._drop()
            raise _Broken("the server has another file than the one that was begun") from error
        reason = f"the server answers {error.code} {error.reason}"
        if error.code in _PASSING:
            raise _Broken(reason) from error
        raise self._by_hand(reason) from error

    def _begin(self, status: int, headers: Message, start: int) -> int:
        """Where the answer's first byte belongs; the length of the whole is checked, the file's version noted."""
        self.answered = True
        if status == 206 and _range_start(headers) != start:
            self._drop()
            raise _Broken(f"the server sent {headers.get('Content-Range')!r} where byte {start} was asked for")
        if status != 206:
            start = self.inherited = 0
        length = headers.get("Content-Length")
        total = _range_total(headers) if status == 206 else int(length) if length and length.isdigit() else None
        if self.size is not None and total is not None and total != self.size:
            raise self._by_hand(
                f"the server announces {total:,} bytes and the published file has {self.size:,}, so it is another file "
                "or a page that asks for a login"
            )
        self.total = total if self.size is None else self.size
        if self.total is not None and (free := shutil.disk_usage(self.path.parent).free) < self.total - start:
            raise InputError(
                f"{self.path.parent} has {free:,} bytes free and {self.path.name} needs {self.total - start:,} more; "
                "make room or choose another folder."
            )
        validator = headers.get("ETag", "")
        # A weak tag promises the same meaning, not the same bytes.
        validator = headers.get("Last-Modified", "") if not validator or validator.startswith("W/") else validator
        if status != 206:
            with atomic_file(self.note) as note:
                note.write_text(json.dumps({"url": self.url, "validator": validator}) + "\n", encoding="utf-8")
        return start

    def _receive(self, answer: IO[bytes], start: int, bar: Progress) -> None:
        bar.found(start, self.total)
        with self.part.open("r+b") as file:
            file.truncate(start)
            file.seek(start)
            while block := _read(answer):
                file.write(block)
                bar.advance(len(block))
                if self.total is not None and file.tell() > self.total:
                    break
            length = file.tell()
        if self.total is not None and length > self.total:
            self._drop()
            raise _Broken(f"the server sends more than the {self.total:,} bytes of the file")
        if self.total is not None and length < self.total:
            raise _Broken(f"the connection ended after {length:,} of {self.total:,} bytes")

    def _finish(self, bar: Progress) -> None:
        try:
            check_file(self.part, self.size, self.checksum, "")
        except InputError as fault:
            self._drop()
            if not self.inherited:
                raise self._by_hand(f"what arrived is not the published file: {fault} It was thrown away") from fault
            # The beginning came from an earlier call; all of it from one hand before anybody is accused.
            self.run(bar)
            return
        self.part.replace(self.path)
        self.note.unlink(missing_ok=True)

    def _length(self) -> int:
        return self.part.stat().st_size

    def _noted(self) -> dict[str, str]:
        try:
            noted = json.loads(self.note.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _resumable(self) -> int:
        """Bytes in the part that the server can be asked to go on from."""
        noted, length = self._noted(), self._length()
        # Without a word from the server on which version it was, only a checksum can tell whether the parts fit.
        fits = noted.get("url") == self.url and "validator" in noted and (noted["validator"] or self.checksum)
        return length if fits and (self.size is None or length <= self.size) else 0

    def _drop(self) -> None:
        os.truncate(self.part, 0)
        self.note.unlink(missing_ok=True)

    def _by_hand(self, reason: str) -> InputError:
        facts = [f"{self.size:,} bytes"] if self.size is not None else []
        facts += [self.checksum.replace(":", " ", 1)] if self.checksum else []
        known = f" ({', '.join(facts)})" if facts else ""
        where = f" (its official page: {self.page})" if self.page else ""
        return InputError(
            f"{self.path.name} could not be downloaded: {reason}. Run the same again later, or fetch "
            f"{self.url}{where} elsewhere and put the file{known} at {self.path.absolute()}; the same command "
            "then goes on with it."
        )


def _read(answer: IO[bytes]) -> bytes:
    try:
        return answer.read(_BLOCK)
    except (http.client.HTTPException, OSError) as error:
        raise _Broken(f"the connection broke ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)


def _range_start(headers: Message) -> int | None:
    match = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _range_total(headers: Message) -> int | None:
    match = re.search(r"/(\d+)$", headers.get("Content-Range", ""))
    return int(match[1]) if match else None
