"""A place in object storage that belongs to one process at a time.

Storage has no locks, but what was written is in every later list. A process writes a claim of its own first and lists
all claims then: of two that begin together the one that lists later sees both, and gives way. A claim is written anew
every minute, so that one whose process was killed is known by its age, told by the storage's clock; on the machine of
that process it is known at once.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from explanans.errors import InputError
from explanans.utils.object_storage import Disconnected, Objects
from explanans.utils.temporaries import lives, owner

EVERY, STALE = 60.0, 600.0
"""Seconds after which a claim is written anew, and after which one that was not counts no more."""

_NAME = re.compile(r"\.claim-(?P<host>[0-9a-f]{8})-(?P<process>\d+)-(?P<start>\d+)-[0-9a-f]{8}")

_held: set[str] = set()
"""Claims of this process."""

# A worker that is forked in the middle of a request would have locks that nobody opens again.
_asking = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_asking.acquire, after_in_parent=_asking.release, after_in_child=_asking.release)


def is_claim(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


@contextmanager
def claimed(objects: Objects) -> Iterator[Callable[[], None]]:
    """Keep a place to this process in the block. What is yielded is called before anything is written there.

    Raises:
        InputError: another process is at it.
        Disconnected: the storage does not answer, or did not for so long that another process may have taken over.
    """
    claim = _Claim(objects)
    claim.renew()
    stop = threading.Event()
    renewing = threading.Thread(target=claim.renew_until, args=(stop,), name="claim", daemon=True)
    _held.add(claim.name)
    answers = True
    try:
        claim.refuse_others()
        renewing.start()
        yield claim.check
    except Disconnected:
        answers = False
        raise
    finally:
        _held.remove(claim.name)
        stop.set()
        if renewing.is_alive():
            renewing.join()
        # Where storage does not answer, the claim stays, and counts no more.
        if answers:
            with suppress(OSError, InputError):
                objects.remove(claim.name)


class _Claim:
    def __init__(self, objects: Objects) -> None:
        self.name = f".claim-{owner()}-{secrets.token_hex(4)}"
        self._objects = objects
        self._written = _clock()

    def renew(self) -> None:
        now = _clock()
        self._objects.write(self.name, owner().encode(), waits=())
        self._written = now

    def renew_until(self, stop: threading.Event) -> None:
        while not stop.wait(EVERY) and not self._is_lost():
            # What is wrong is seen by who writes, and a minute later all may be well.
            with _asking, suppress(OSError, InputError):
                self.renew()

    def check(self) -> None:
        if self._is_lost():
            raise Disconnected(
                f"out={self._objects.shown} could not be claimed for {STALE / 2:.0f} seconds, and another process may "
                "have gone on with it. What is finished is kept; repeat the command to go on."
            )

    def refuse_others(self) -> None:
        found = {name: changed for name, changed in self._objects.names().items() if is_claim(name)}
        now = found.pop(self.name, None)
        for name, changed in found.items():
            alive = _lives(name)
            if alive is None:
                # Of an older age than its own: what is not known counts as young.
                alive = now is None or changed is None or (now - changed).total_seconds() < STALE
            if alive:
                raise InputError(
                    f"another process is writing into out={self._objects.shown}; wait until it is done, or name "
                    f"another folder. If it was killed on another machine, wait {STALE / 60:.0f} minutes, or delete "
                    f"{name} there."
                )
            self._objects.remove(name)

    def _is_lost(self) -> bool:
        return _clock() - self._written > STALE / 2


def _lives(name: str) -> bool | None:
    """Whether a claim is held; None where that cannot be seen from here."""
    match = _NAME.fullmatch(name)
    if match is None:
        return False
    host, process, start = match["host"], int(match["process"]), int(match["start"])
    if f"{host}-{process}-{start}" == owner():
        return name in _held
    return lives(host, process, start)


def _clock() -> float:
    """Seconds that nobody can set, and that go on while a machine sleeps."""
    kind = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if kind is None else time.clock_gettime(kind)
