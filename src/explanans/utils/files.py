"""Files that are either whole or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from explanans.errors import InputError

LOCK = ".lock"


def user_folder(variable: str, *below: str) -> Path:
    """The folder that an environment variable names, else explanans (and ``below``) in $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get(variable):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().joinpath("explanans", *below)


def cache_folder() -> Path:
    """Where to keep what can be made anew: $EXPLANANS_CACHE, else explanans in $XDG_CACHE_HOME or in ~/.cache."""
    return user_folder("EXPLANANS_CACHE")


_held: weakref.WeakSet[IO[Any]] = weakref.WeakSet()


def hold(file: IO[Any], busy: str) -> None:
    """Keep an open file to this process until it is closed or the process ends; on Windows nothing is kept.

    Raises:
        InputError: another process holds it; the message is ``busy``.
    """
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(busy) from error
    _held.add(file)


def _let_go() -> None:
    """A forked worker outlives a killed parent by seconds, and what it inherited would stay held so long."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in list(_held):
        if not file.closed:
            os.dup2(nothing, file.fileno(), inheritable=False)
    os.close(nothing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Make a folder and keep it to this process while the block runs, by a file :data:`LOCK` that stays there.

    Raises:
        InputError: it is a file, or another process is at it.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out={folder} is a file; name a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as file:
        hold(file, f"another process is writing into {folder}; wait until it is done, or name another folder.")
        yield


@contextmanager
def claimed_folder(out: str | Path, mark: str, *remains: str) -> Iterator[None]:
    """:func:`held_folder` for an output folder that holds nothing else.

    Args:
        out: a new or empty folder, or one of an earlier run.
        mark: name of the file that tells an earlier run's folder.
        remains: what a run may have left that was stopped before it wrote ``mark``.

    Raises:
        InputError: it is a file, it holds other things, or another process is at it.
    """
    out = Path(out)
    ours = (LOCK, *remains)
    if out.is_dir() and not (out / mark).is_file() and any(each.name not in ours for each in out.iterdir()):
        raise InputError(f"out={out} holds other things; name a new folder.")
    with held_folder(out):
        yield


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that replaces it when the block ends well, and vanishes when it does not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; a result is as readable as any other file of the user.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path, *, replace_if_holds: str | None = None) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes ``path`` when the block ends well.

    An existing folder is replaced only if it is empty or holds a file named ``replace_if_holds``: the mark of an
    earlier result of the same kind. Anything else is refused before any work is done.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; name a folder.")
    if path.is_dir() and any(path.iterdir()) and not (replace_if_holds and (path / replace_if_holds).exists()):
        raise InputError(f"{path} exists and holds other things; name a new folder or empty it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        if path.exists():
            previous = path.with_name(f".{path.name}.previous.{os.getpid()}")
            path.replace(previous)
            try:
                temporary.replace(path)
            except OSError:
                previous.replace(path)
                raise
            shutil.rmtree(previous)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
