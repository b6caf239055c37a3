"""A file, and with it a folder, that belongs to one process at a time."""

from __future__ import annotations

import errno
import os
import weakref
from typing import IO, Any

from explanans.errors import InputError

LOCK = ".lock"
"""The file in a folder that the process at work on it holds; it stays there."""

_held: weakref.WeakSet[IO[Any]] = weakref.WeakSet()


def hold(file: IO[Any], busy: str) -> None:
    """Keep an open file to this process until it is closed or the process ends. On Windows, and on drives that know
    no locks, nothing is kept.

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
    except OSError as error:
        # Some network drives know no locks.
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
            raise
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
