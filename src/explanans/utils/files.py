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
from explanans.utils.temporaries import old_folder, sweep_once, temporary_file, temporary_folder

_MANY = 32
"""From so many files on, one flush of the whole file system is quicker than one for each."""

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


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends well, and vanishes when it does not.

    The content is on the disk before it gets its name. What a process that was killed left beside ``path`` is cleared.

    Raises:
        OSError: the disk is full or not writable; what was there before is whole.
    """
    path = Path(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_once(path.parent)
        temporary = temporary_file(path)
        try:
            yield temporary
            # A new temporary file is private; a result is as readable as any other file of the user.
            temporary.chmod(0o666 & ~_umask())
            _flush(temporary)
            temporary.replace(path)
            _flush(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, *, replace_if_holds: str | None = None) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes ``path`` when the block ends well.

    An existing folder is replaced only if it is empty or holds a file named ``replace_if_holds``: the mark of an
    earlier result of the same kind. Anything else is refused before any work is done.

    Raises:
        InputError: ``path`` is a file, or holds other things.
        OSError: as for :func:`atomic_file`.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; name a folder.")
    if path.is_dir() and any(path.iterdir()) and not (replace_if_holds and (path / replace_if_holds).exists()):
        raise InputError(f"{path} exists and holds other things; name a new folder or empty it.")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_once(path.parent)
        temporary = temporary_folder(path)
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            _flush_tree(temporary)
            _put(temporary, path)
            _flush(path.parent)
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
def _explained(path: Path) -> Iterator[None]:
    """What a full or forbidden disk makes a writer raise, as an OSError with the next step."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        # Writers in C and Rust have exceptions of their own, or lose the system's number.
        number = getattr(error, "errno", None) or (errno.ENOSPC if _is_full(path.parent) else None)
        if number not in _NEXT_STEPS or not _concerns(path, getattr(error, "filename", None)):
            raise
        message = f"{_NEXT_STEPS[number]} and repeat the command; what was there before is whole"
        raise OSError(number, message, str(path)) from error


def _concerns(path: Path, named: object) -> bool:
    """Whether an error that names a file is about ``path``, what is beside it or what it lies in."""
    if not isinstance(named, str | bytes | os.PathLike):
        return True
    file = Path(os.fsdecode(named))
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
    """Until a file's content, or a folder's list of names, is on the disk."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network drives flush no folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)


def _flush_tree(folder: Path) -> None:
    paths = [folder, *folder.rglob("*")]
    if len(paths) > _MANY and _flush_system(folder):
        return
    for path in paths:
        if not path.is_symlink():
            _flush(path)


def _flush_system(folder: Path) -> bool:
    """Everything on the file system of ``folder``; False where it cannot be asked for."""
    flush = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None) if os.name != "nt" else None
    if flush is None:
        return False
    handle = os.open(folder, os.O_RDONLY)
    try:
        if flush(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)
    return True
