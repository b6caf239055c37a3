"""Names of half written files and folders, which say whose they are, so that those of the dead can be cleared."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections import OrderedDict
from contextlib import suppress
from functools import cache
from pathlib import Path

FOREIGN_AGE = 24 * 3600
"""Seconds after which what another machine left counts as left: its processes cannot be seen from here."""

_NAME = re.compile(
    r"\.(?P<name>.+)\.(?P<host>[0-9a-f]{8})-(?P<process>\d+)-(?P<start>\d+)\.(?:[a-z0-9_]{8}\.tmp(?:\.[^.]*)?|(?P<old>old))",
    re.DOTALL,
)
_LONGEST = 120
_MOST_REMEMBERED = 256
_swept: OrderedDict[Path, None] = OrderedDict()


def temporary_file(path: Path) -> Path:
    """A new, empty file beside ``path`` with its suffix."""
    handle, name = tempfile.mkstemp(f".tmp{path.suffix}", _prefix(path), path.parent)
    os.close(handle)
    return Path(name)


def temporary_folder(path: Path) -> Path:
    """A new, empty folder beside ``path``."""
    return Path(tempfile.mkdtemp(".tmp", _prefix(path), path.parent))


def temporary_name(name: str) -> str:
    """For a place that is no folder of this machine; :func:`is_temporary` knows it."""
    return f"{_prefix(Path(name))}{secrets.token_hex(4)}.tmp"


def old_folder(path: Path) -> Path:
    """Where an earlier ``path`` waits while another takes its place; :func:`sweep` puts it back if none came."""
    return path.with_name(f".{path.name}.{owner()}.old")


def is_temporary(name: str) -> bool:
    """Whether a file name is one of those above, whoever made it."""
    return _NAME.fullmatch(name) is not None


def sweep(folder: Path, levels: int = 0) -> None:
    """Remove what processes that are gone left half written in ``folder`` and ``levels`` of folders below it.

    What belongs to a process that lives stays, and so does what another machine has touched within a day.
    """
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:
        # What may not be listed, or vanished meanwhile, is not ours to clear.
        return
    for entry in found:
        match = _NAME.fullmatch(entry.name)
        if match is None:
            if levels and entry.is_dir(follow_symlinks=False):
                sweep(Path(entry.path), levels - 1)
        elif not _alive(match, entry):
            _clear(Path(entry.path), match)


def sweep_once(folder: Path) -> None:
    """:func:`sweep`, unless this process has lately done it there: listing a large folder for each file is slow."""
    if folder not in _swept:
        sweep(folder)
    _swept[folder] = None
    _swept.move_to_end(folder)
    while len(_swept) > _MOST_REMEMBERED:
        _swept.popitem(last=False)


def _clear(path: Path, match: re.Match[str]) -> None:
    with suppress(OSError):
        if match["old"] and not os.path.lexists(path.with_name(match["name"])):
            path.replace(path.with_name(match["name"]))
        elif path.is_dir():
            _remove(path, path.with_name(match["name"]))
        else:
            path.unlink()


def _remove(left: Path, path: Path) -> None:
    """A folder that was left of ``path``; it is moved away first.

    Workers of a process that was killed live on for a moment, and what they write while the folder is being emptied
    would stay. In a place that is gone they write nothing.
    """
    away = left
    # On a full disk there may be no room for another folder.
    with suppress(OSError):
        away = temporary_folder(path)
        left.rename(away / "left")
    for each in (away, left):
        shutil.rmtree(each, ignore_errors=True)


def owner() -> str:
    """This process, as names of what is its own have it; :func:`lives` reads it."""
    return _owner(os.getpid())


def lives(host: str, process: int, start: int) -> bool | None:
    """Whether the process of an :func:`owner` runs; None for another machine's, which cannot be seen from here."""
    if host != _host():
        return None
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        # It lives, and is another user's.
        pass
    # Numbers of processes come again, their starts do not.
    return _start(process) == start


def _alive(match: re.Match[str], entry: os.DirEntry[str]) -> bool:
    alive = lives(match["host"], int(match["process"]), int(match["start"]))
    if alive is not None:
        return alive
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime < FOREIGN_AGE
    except FileNotFoundError:
        return False


def _prefix(path: Path) -> str:
    # Cut, because the whole would be too long for a file system where the name just is not.
    name = path.name.encode()[:_LONGEST].decode(errors="ignore")
    return f".{name}.{owner()}."


@cache
def _owner(process: int) -> str:
    return f"{_host()}-{process}-{_start(process)}"


@cache
def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _start(process: int) -> int:
    """When a process began, in the system's own unit; 0 where it does not tell."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The second field, the program's name, may hold blanks and brackets.
    return int(text.rpartition(")")[2].split()[19])
