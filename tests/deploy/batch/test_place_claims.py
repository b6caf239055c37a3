"""A job in object storage is claimed by one process at a time."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from explanans.deploy.batch import storage_claim
from explanans.deploy.batch.storage_claim import claimed
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.utils.object_storage import Disconnected, Objects

from .places import run, there
from .s3 import address


def test_two_at_once(explainer: Explainer, photos: Path, place: str, port: int) -> None:
    out = address(place, port)

    def second(done: int, total: int) -> None:
        with pytest.raises(InputError, match=rf"another process is writing into out=s3://{place}; wait"):
            run(explainer, photos, out)

    run(explainer, photos, out, progress=second)
    assert run(explainer, photos, out).earlier == 11


def test_of_two_that_begin_together_one_at_most_goes_on(
    place: str, port: int, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have written their claims before either looks."""
    objects, meeting, inside = Objects(address(place, port)), threading.Barrier(2), []
    names = Objects.names

    def met(self: Objects) -> Any:
        meeting.wait(20)
        return names(self)

    def attempt() -> None:
        try:
            with claimed(objects):
                inside.append(True)
        except InputError:
            pass

    monkeypatch.setattr(Objects, "names", met)
    both = [threading.Thread(target=attempt) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(inside) <= 1
    assert there(client, place) == {}


def test_the_claim_of_another_machine_runs_out(
    place: str, port: int, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = Objects(address(place, port))
    foreign = ".claim-00000000-1-2-0123abcd"
    objects.write(foreign, b"")
    told = rf"killed on another machine, wait 10 minutes, or delete {foreign} there"
    with pytest.raises(InputError, match=told), claimed(objects):
        pass
    assert set(there(client, place)) == {foreign}
    monkeypatch.setattr(storage_claim, "STALE", -timedelta(seconds=1).total_seconds())
    with claimed(objects):
        assert foreign not in there(client, place)
    assert there(client, place) == {}


def test_a_claim_is_renewed_and_one_that_was_lost_stays_lost(
    place: str, port: int, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, renewed = Objects(address(place, port)), threading.Event()
    write, now = Objects.write, [0.0]

    def seen(self: Objects, *arguments: Any, **more: Any) -> None:
        write(self, *arguments, **more)
        if threading.current_thread().name == "claim":
            renewed.set()

    monkeypatch.setattr(Objects, "write", seen)
    monkeypatch.setattr(storage_claim, "EVERY", 0.01)
    monkeypatch.setattr(storage_claim, "_clock", lambda: now[0])
    with claimed(objects) as check:
        assert renewed.wait(20)
        check()
        now[0] = storage_claim.STALE
        with pytest.raises(Disconnected, match=r"another process may have gone on with it.*repeat the command"):
            check()
    assert there(client, place) == {}
