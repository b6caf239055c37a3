"""Where a job is written: a folder of this machine, or a place in object storage."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from explanans.deploy.batch.storage_claim import claimed as claimed_there
from explanans.deploy.batch.storage_claim import is_claim
from explanans.errors import InputError
from explanans.images.listing import stamp_of
from explanans.utils.files import atomic_folder, scratch_folder
from explanans.utils.object_storage import Objects
from explanans.utils.paths import local_path
from explanans.utils.records import Kind, read_json
from explanans.utils.run_folder import claimed as claimed_here
from explanans.utils.temporaries import is_temporary, temporary_file

REQUESTS = 8
"""Objects that are asked for or written at a time."""

T = TypeVar("T")
R = TypeVar("R")


class Place(ABC):
    """Its files are named relative to it, with slashes.

    Attributes:
        address: with which another machine can open it.
    """

    address: str

    @abstractmethod
    def opened(self, *names: str) -> AbstractContextManager[Path]:
        """A folder of this machine with files of the top, those of ``names`` that there are."""

    @abstractmethod
    def claimed(
        self, record: str, kind: Kind, remains: Collection[str]
    ) -> AbstractContextManager[tuple[Path, dict[str, Any] | None]]:
        """:meth:`opened` with ``record`` and ``remains``, kept to this process, and what the record says; arguments and
        errors as for :func:`explanans.utils.run_folder.claimed`."""

    @abstractmethod
    def keep(self, name: str) -> None:
        """What was written as a file of :meth:`opened` is in the place from now on."""

    @abstractmethod
    def sizes(self, folder: str) -> Mapping[str, int]:
        """Every file below a folder, by its name there; nothing where there is no such folder."""

    @abstractmethod
    def fetched(self, name: str) -> AbstractContextManager[Path]:
        """A file, for the block."""

    @abstractmethod
    def write(self, folder: str, files: Mapping[str, bytes]) -> None:
        """A folder with these files alone. Where it cannot be put there as a whole, the last of the files is written
        last, and goes first where there was one."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Results in order; several at a time where that is quicker."""
        return map(function, items)


class Folder(Place):
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.address = str(path.resolve())

    @contextmanager
    def opened(self, *names: str) -> Iterator[Path]:
        yield self.path

    @contextmanager
    def claimed(
        self, record: str, kind: Kind, remains: Collection[str]
    ) -> Iterator[tuple[Path, dict[str, Any] | None]]:
        with claimed_here(self.path / record, kind, remains=remains, levels=1) as earlier:
            yield self.path, earlier

    def keep(self, name: str) -> None:
        """It is."""

    def sizes(self, folder: str) -> Mapping[str, int]:
        top = self.path / folder
        files = (path for path in top.rglob("*") if path.is_file())
        return {path.relative_to(top).as_posix(): path.stat().st_size for path in files}

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        yield self.path / name

    def write(self, folder: str, files: Mapping[str, bytes]) -> None:
        with atomic_folder(self.path / folder, replace=True) as temporary:
            for name, content in files.items():
                path = temporary / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


class Remote(Place):
    """A place in object storage; the files of its top are copied to this machine while it is open."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._objects = Objects(address)
        self._home = Path()
        self._copied: dict[str, tuple[int, int]] = {}
        self._check: Callable[[], None] = lambda: None

    @contextmanager
    def opened(self, *names: str) -> Iterator[Path]:
        with scratch_folder(Path(tempfile.gettempdir()) / "explanans-job") as self._home:
            for name in names:
                self._objects.fetch(name, self._home / name)
                self._copied[name] = stamp_of(self._home / name)
            try:
                yield self._home
            except InputError as error:
                said = str(error).replace(str(self._home), self._objects.shown)
                raise error if said == str(error) else InputError(said) from error

    @contextmanager
    def claimed(
        self, record: str, kind: Kind, remains: Collection[str]
    ) -> Iterator[tuple[Path, dict[str, Any] | None]]:
        self._refuse_other(record, remains)
        with claimed_there(self._objects) as self._check:
            # Once more, now that nobody else is at it.
            self._refuse_other(record, remains)
            self._objects.remove(*filter(is_temporary, self._objects.names()))
            with self.opened(record, *remains) as home:
                yield home, read_json(home / record, kind) if (home / record).is_file() else None

    def keep(self, name: str) -> None:
        stamp = stamp_of(self._home / name)
        if stamp != self._copied.get(name):
            self._check()
            self._objects.upload(name, self._home / name)
            self._copied[name] = stamp

    def sizes(self, folder: str) -> Mapping[str, int]:
        return self._objects.sizes(folder)

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        path = temporary_file(self._home / name.rpartition("/")[2])
        try:
            self._objects.fetch(name, path)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def write(self, folder: str, files: Mapping[str, bytes]) -> None:
        self._check()
        there = self._objects.sizes(folder)
        *names, last = files
        # Without the last nothing of the folder counts, so it goes first.
        old = [name for name in there if name not in names]
        self._objects.remove(*(f"{folder}/{name}" for name in sorted(old, key=lambda name: name != last)))
        self._each(lambda name: self._objects.write(f"{folder}/{name}", files[name]), names)
        self._objects.write(f"{folder}/{last}", files[last])

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        each = iter(items)
        while some := list(islice(each, 8 * REQUESTS)):
            yield from self._each(function, some)

    def _each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        # Its threads end here: they would not live on in a worker that is forked later.
        with ThreadPoolExecutor(min(REQUESTS, len(items) or 1), thread_name_prefix="objects") as pool:
            waiting = [pool.submit(function, item) for item in items]
            try:
                return [each.result() for each in waiting]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _refuse_other(self, record: str, remains: Collection[str]) -> None:
        names = sorted(self._objects.names())
        if record in names:
            return
        other = [name for name in names if name not in remains and not is_claim(name) and not is_temporary(name)]
        if other:
            shown = ", ".join(other[:3]) + (", …" if len(other) > 3 else "")
            raise InputError(
                f"out={self._objects.shown} holds other things ({shown}) and no {record}; name another folder, or "
                "empty it."
            )


def place_of(out: str | Path) -> Place:
    """The place that ``out`` names.

    Raises:
        InputError, Disconnected: as :class:`~explanans.utils.object_storage.Objects`.
    """
    path = local_path(str(out))
    return Remote(str(out)) if path is None else Folder(path)
