"""Help texts, kept from one call to the next: they come from functions behind torch, which takes seconds to import."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from explanans.errors import InputError
from explanans.utils.files import atomic_file, cache_folder

PACKAGE = Path(__file__).parents[1]


def kept_help(command: str, make: Callable[[], str]) -> str:
    """The help of a command: as it was made of these very files for a terminal of this width, or else made now."""
    state, file = _state(), cache_folder() / "help" / f"{command.replace(' ', '_')}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["state"] == state:
            return str(found["text"])
    text = make()
    # Where nothing can be kept, it is made again.
    with contextlib.suppress(OSError, InputError), atomic_file(file) as temporary:
        temporary.write_text(json.dumps({"state": state, "text": text}), encoding="utf-8")
    return text


def _state() -> str:
    """What the text depends on: name, time of change and size of every module, and the terminal's width."""
    digest = hashlib.sha256(f"{shutil.get_terminal_size().columns} {sys.flags.optimize}".encode())
    folders = [str(PACKAGE)]
    while folders:
        for entry in sorted(os.scandir(folders.pop()), key=lambda entry: entry.name):
            if entry.is_dir():
                folders.append(entry.path)
            elif entry.name.endswith(".py"):
                known = entry.stat()
                digest.update(f"|{entry.path} {known.st_mtime_ns} {known.st_size}".encode(errors="surrogateescape"))
    return digest.hexdigest()
