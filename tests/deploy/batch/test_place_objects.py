"""Objects are whole or not there, and what failed is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explanans.utils import object_storage
from explanans.utils.object_storage import Objects

from .places import there
from .s3 import address


def test_a_large_object_takes_its_place_only_when_it_is_whole(
    place: str, port: int, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_storage, "AT_ONCE", 1000)
    objects, content = Objects(address(place, port)), bytes(range(256)) * 10
    (tmp_path / "file").write_bytes(content)
    objects.upload("a/file", tmp_path / "file")
    assert there(client, place) == {"a/file": content}
    objects.write("b", content[::-1])
    pieces = object_storage._pieces

    def stopped(file: Path) -> Iterator[bytes]:
        yield next(iter(pieces(file)))
        raise KeyboardInterrupt

    monkeypatch.setattr(object_storage, "_pieces", stopped)
    for name in ("a/file", "b", "c"):
        with pytest.raises(KeyboardInterrupt):
            objects.upload(name, tmp_path / "file")
    assert there(client, place) == {"a/file": content, "b": content[::-1]}


def test_what_is_not_there(place: str, port: int, tmp_path: Path) -> None:
    objects = Objects(address(place, port))
    assert objects.names() == {}
    assert objects.sizes("none") == {}
    assert not objects.fetch("none", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    objects.remove("none")


def test_what_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waited, tries = [], []

    def third() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no answer")
        return "answer"

    monkeypatch.setattr(object_storage.time, "sleep", waited.append)
    assert object_storage.retried(third, (1.0, 2.0)) == "answer"
    assert waited == [1.0, 2.0]
    for error in (FileNotFoundError("gone"), OSError("AWS Error ACCESS_DENIED"), OSError("no answer")):
        tries.clear()

        def fails(error: OSError = error) -> None:
            tries.append(1)
            raise error

        with pytest.raises(type(error), match=str(error)):
            object_storage.retried(fails, (1.0, 2.0))
        assert len(tries) == (3 if error.args == ("no answer",) else 1)
