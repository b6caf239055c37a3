"""Files and folders that are either whole or not there."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from explanans.errors import InputError
from explanans.utils.paths import refuse_address
from explanans.utils.temporaries import is_temporary, old_folder, sweep_once, temporary_file, temporary_folder

_ROOM = 64 * 1024
"""With fewer bytes left, a disk is full."""

_NEXT_STEPS = {
    errno.ENOSPC: "the disk is full or has no room for more files; make room",
    errno.EDQUOT: "the disk quota is used up; make room",
    errno.EROFS: "the disk is mounted read-only; name another folder",
    errno.EACCES: "permission denied; name another folder",
}


def user_folder(variable: str, *below: str) -> Path:
    """The folder that an environment variable names, else explanans (and ``below``) in $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get(variable):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().joinpath("explanans", *below)


def cache_folder() -> Path:
    """Where to keep what can be made anew: $EXPLANANS_CACHE, else explanans in $XDG_CACHE_HOME or in ~/.cache."""
    return user_folder("EXPLANANS_CACHE")


class DiskError(OSError):
    """A file could not be written; what was there before is whole."""

    def __str__(self) -> str:
        return f"cannot write {self.filename}: {self.strerror} and repeat the command. What was there before is whole."


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends well, and vanishes when it does not.

    The content is on the disk before it gets its name. What a process that was killed left beside ``path`` is cleared.

    Raises:
        DiskError: the disk is full or not writable; what was there before is whole.
    """
    path = Path(path)
    refuse_address(path, "out")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # What lies in a temporary folder is swept and flushed with it.
        alone = not is_temporary(path.parent.name)
        if alone:
            sweep_once(path.parent)
        temporary = temporary_file(path)
        try:
            yield temporary
            # A new temporary file is private; a result is as readable as any other file of the user.
            temporary.chmod(0o666 & ~_umask())
            if alone:
                _flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, *, replace_if_holds: str | None = None, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes ``path`` when the block ends well.

    An existing folder is replaced only if it is empty or holds a file named ``replace_if_holds``: the mark of an
    earlier result of the same kind. Anything else is refused before any work is done, unless ``replace`` says that the
    place is the caller's own.

    Raises:
        InputError: ``path`` is a file, or holds other things.
        DiskError: as for :func:`atomic_file`.
    """
    path = Path(path)
    refuse_address(path, "out")
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; name a folder.")
    ours = replace or (replace_if_holds is not None and (path / replace_if_holds).exists())
    if not ours and path.is_dir() and any(path.iterdir()):
        raise InputError(f"{path} exists and holds other things; name a new folder or empty it.")
    with scratch_folder(path) as temporary:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        _flush_tree(temporary)
        _put(temporary, path)


@contextmanager
def scratch_folder(path: str | Path) -> Iterator[Path]:
    """A folder beside ``path`` for what leads to it, removed in the end; by the next run where this one is killed.

    Raises:
        DiskError: as for :func:`atomic_file`.
    """
    path = Path(path)
    refuse_address(path, "out")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_once(path.parent)
        temporary = temporary_folder(path)
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _put(temporary: Path, path: Path) -> None:
    if not path.exists():
        temporary.replace(path)
        return
    previous = old_folder(path)
    path.replace(previous)
    try:
        temporary.replace(path)
    except OSError:
        previous.replace(path)
        raise
    shutil.rmtree(previous)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What a full or forbidden disk makes a writer raise, as an OSError with the next step."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        number = next((found for each in _chain(error) if (found := _number(each)) in _NEXT_STEPS), None)
        if number is None and _is_full(path.parent):
            number = errno.ENOSPC
        named = [name for key in ("filename", "filename2") if (name := getattr(error, key, None)) is not None]
        if number is None or (named and not any(_concerns(path, name) for name in named)):
            raise
        raise DiskError(number, _NEXT_STEPS[number], str(path)) from error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from; cleaning up after a failed write fails in turn."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _number(error: BaseException) -> int | None:
    """The system's number; writers in C and Rust have exceptions of their own, with its words."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) or next((each for each in full if os.strerror(each) in str(error)), None)


def _concerns(path: Path, name: object) -> bool:
    """Whether a file that an error names is ``path``, beside it, or what it lies in."""
    if not isinstance(name, str | bytes | os.PathLike):
        return False
    file = Path(os.fsdecode(name))
    return file.is_relative_to(path.parent) or path.is_relative_to(file)


def _is_full(folder: Path) -> bool:
    if not hasattr(os, "statvfs") or not folder.is_dir():
        return False
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize < _ROOM or (state.f_files > 0 and state.f_favail == 0)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _flush(path: Path) -> None:
    """Until a file's content is on the disk."""
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_tree(folder: Path) -> None:
    """Until everything in a folder is on the disk: all at once where the system can, which is much quicker."""
    flush = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None) if os.name != "nt" else None
    if flush is None:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                _flush(path)
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if flush(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)
