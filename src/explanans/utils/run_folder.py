"""The folder of a run: claimed by one process, gone on with where its settings are the same, never mixed."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from explanans.errors import InputError
from explanans.utils.files import writing
from explanans.utils.locks import LOCK, hold
from explanans.utils.paths import refuse_address
from explanans.utils.records import Kind, read_json
from explanans.utils.temporaries import is_temporary, sweep

_SHOWN = 5
_ABSENT = object()


def check_claimable(record: Path, *, argument: str = "out", remains: Container[str] = ()) -> None:
    """:func:`claimed` without claiming, for a refusal before any work.

    Raises:
        InputError: the folder is a file, or holds other things.
    """
    folder = record.parent
    refuse_address(folder, argument)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{argument}={folder} is a file; name a folder.")
    if not folder.is_dir() or record.is_file():
        return
    names = sorted(each.name for each in folder.iterdir())
    other = [name for name in names if name != LOCK and name not in remains and not is_temporary(name)]
    if other:
        shown = ", ".join(other[:3]) + (", …" if len(other) > 3 else "")
        raise InputError(
            f"{argument}={folder} holds other things ({shown}) and no {record.name}; name a new folder, or empty it."
        )


@contextmanager
def claimed(
    record: Path, kind: Kind, *, argument: str = "out", remains: Container[str] = (), levels: int = 0
) -> Iterator[dict[str, Any] | None]:
    """Keep a run's folder to this process in the block, by a file :data:`~explanans.utils.locks.LOCK` that stays there.

    What a killed run left half written in it is removed.

    Args:
        record: the file in the folder that tells what the run is; it is the caller's to write.
        kind: of the record.
        argument: that named the folder, for messages.
        remains: names of files that a run may have left which was stopped before it wrote the record.
        levels: of folders below it in which runs write.

    Yields:
        what the record of an earlier run says; None in a new or an empty folder.

    Raises:
        InputError: the folder is a file, holds other things, another process is at it, or its record is damaged.
        DiskError: the disk is full or not writable.
    """
    check_claimable(record, argument=argument, remains=remains)
    folder = record.parent
    with writing(folder / LOCK):
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / LOCK).open("ab")
    with opened as file:
        hold(
            file, f"another process is writing into {argument}={folder}; wait until it is done, or name another folder."
        )
        sweep(folder, levels)
        yield read_json(record, kind) if record.is_file() else None


def check_same(
    record: Path,
    kind: Kind,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    free: Container[str] = (),
    argument: str = "out",
    next_step: str | None = None,
) -> None:
    """Refuse to go on with a run under other settings.

    Args:
        record, kind, argument: as for :func:`claimed`.
        before, now: the settings, as JSON has them.
        free: names that may differ, such as ``run.num_workers``.
        next_step: by default a new folder or the settings of the record.

    Raises:
        InputError: they differ; the message names what does.
    """
    changed = differences(before, now, free)
    if changed:
        more = f"; and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise InputError(
            f"{argument}={record.parent} holds a {kind.name} with other settings: {'; '.join(changed[:_SHOWN])}{more}. "
            + (next_step or f"Name a new folder, or repeat the settings in its {record.name}.")
        )


def differences(before: Mapping[str, Any], now: Mapping[str, Any], free: Container[str] = ()) -> list[str]:
    """What differs between two records, in words: ``settings.seed was 0, is 1``."""
    return list(_differences(before, now, free, ""))


def as_json(content: Mapping[str, Any]) -> dict[str, Any]:
    """What is read again when ``content`` has been written."""
    return json.loads(json.dumps(content))


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], free: Container[str], outside: str
) -> Iterator[str]:
    for key in {**before, **now}:
        name = f"{outside}{key}"
        old, new = before.get(key, _ABSENT), now.get(key, _ABSENT)
        if name in free or old == new:
            continue
        if isinstance(old, Mapping) or isinstance(new, Mapping):
            found = list(_differences(_entries(old), _entries(new), free, f"{name}."))
            if found or (isinstance(old, Mapping) and isinstance(new, Mapping)):
                yield from found
                continue
        yield f"{name} was {_short(old)}, is {_short(new)}"


def _entries(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _short(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
