"""Many at once, those that hang, those that leave; a gate makes the model wait, so that nothing depends on time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from explanans.deploy.serve import Limits, make_app

Messages = list[dict[str, Any]]


class Caller:
    """One client on the wire.

    Args:
        parts: of the body, as they arrive.
        ends: whether the body ends with them; one that does not hangs.
    """

    def __init__(self, app: Any, path: str, parts: list[bytes], *, ends: bool = True) -> None:
        self.app, self.path, self.parts, self.ends = app, path, parts, ends
        self.left, self.sent = asyncio.Event(), []
        self.task = asyncio.ensure_future(self._call())

    async def _call(self) -> int:
        address, _, query = self.path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": address,
            "raw_path": address.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await self.app(scope, self._receive, self._send)
        return self.sent[0]["status"]

    async def _receive(self) -> dict[str, Any]:
        if self.parts:
            part = self.parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self.parts) or not self.ends}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def said(self) -> Any:
        return json.loads(b"".join(each.get("body", b"") for each in self.sent[1:]))


def running(app: Any, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def inside() -> None:
        async with app.router.lifespan_context(app):
            await act()

    asyncio.run(inside())


async def until(ready: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not ready():
            await asyncio.sleep(0.005)


def test_what_waits_goes_together(masker: Any, make_photo: Any, encode: Any) -> None:
    app = make_app(masker, threads=1)
    pictures = [encode(make_photo(seed)) for seed in range(9)]

    async def act() -> None:
        masker.gate.clear()
        first = Caller(app, "/api/explain", [pictures[0]])
        await until(lambda: masker.sizes)
        others = [Caller(app, "/api/explain", [each]) for each in pictures[1:]]
        await until(lambda: len(waiting_of(app)) == 8)
        masker.gate.set()
        assert [await each.task for each in (first, *others)] == [200] * 9
        # Each got its own.
        masks = {each.said["classes"][0]["mask"] for each in (first, *others)}
        assert len(masks) == 9

    running(app, act)
    assert masker.sizes == [1, 8]


def waiting_of(app: Any) -> Any:
    """The queue of an application's model, found through the address that uses it."""
    endpoint = next(route.endpoint for route in app.routes if route.path == "/api/about")
    return endpoint.__self__.model._waiting


def test_a_full_queue_says_when_to_come_again(masker: Any, make_photo: Any, encode: Any) -> None:
    app = make_app(masker, limits=Limits(queue=2), threads=1)
    picture = encode(make_photo())

    async def act() -> None:
        masker.gate.clear()
        callers = [Caller(app, "/api/explain", [picture])]
        await until(lambda: masker.sizes)
        callers += [Caller(app, "/api/explain", [picture]) for _ in range(2)]
        await until(lambda: len(waiting_of(app)) == 2)
        late = Caller(app, "/api/explain", [picture])
        assert await late.task == 503
        assert 1 <= int(late.headers["retry-after"]) <= 60
        assert late.said["error"] == "The server is busy."
        # Somebody leaves, and there is room.
        callers[-1].left.set()
        await callers[-1].task
        again = Caller(app, "/api/explain", [picture])
        await until(lambda: again.task.done() or sum(not each.answer.cancelled() for each in waiting_of(app)) == 2)
        masker.gate.set()
        assert [await each.task for each in (*callers[:2], again)] == [200] * 3

    running(app, act)


def test_the_deadline(masker: Any, make_photo: Any, encode: Any) -> None:
    app = make_app(masker, limits=Limits(deadline=0.2), threads=1)

    async def act() -> None:
        masker.gate.clear()
        caller = Caller(app, "/api/explain", [encode(make_photo())])
        assert await caller.task == 504
        assert "within 0.2 seconds" in caller.said["error"]
        assert caller.said["next"]
        masker.gate.set()

    running(app, act)


def test_a_client_that_hangs_holds_nobody_up(masker: Any, make_photo: Any, encode: Any) -> None:
    app = make_app(masker, limits=Limits(deadline=1), threads=1)
    picture = encode(make_photo())

    async def act() -> None:
        hanging = [Caller(app, "/api/explain", [picture[:50]], ends=False) for _ in range(100)]
        await asyncio.sleep(0)
        other = Caller(app, "/api/explain", [picture])
        assert await other.task == 200
        assert {await each.task for each in hanging} == {504}

    running(app, act)


def test_who_leaves_is_not_computed_for(masker: Any, make_photo: Any, encode: Any) -> None:
    app = make_app(masker, threads=1)
    picture = encode(make_photo())

    async def act() -> None:
        masker.gate.clear()
        first = Caller(app, "/api/explain", [picture])
        await until(lambda: masker.sizes)
        gone = Caller(app, "/api/explain", [picture])
        await until(lambda: waiting_of(app))
        gone.left.set()
        await gone.task
        # One that leaves in the middle of its upload is no error either.
        half = Caller(app, "/api/explain", [picture[:50]], ends=False)
        half.left.set()
        await half.task
        masker.gate.set()
        assert await first.task == 200
        assert await Caller(app, "/api/explain", [picture]).task == 200

    running(app, act)
    assert masker.sizes == [1, 1]


def test_one_picture_harms_nobody_else(
    masker: Any, make_photo: Any, encode: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from PIL import Image

    app = make_app(masker, threads=1)
    black = encode(Image.new("RGB", (20, 20)))

    async def act() -> None:
        masker.gate.clear()
        first = Caller(app, "/api/explain", [encode(make_photo(0))])
        await until(lambda: masker.sizes)
        bad = Caller(app, "/api/explain", [black])
        good = Caller(app, "/api/explain", [encode(make_photo(1))])
        await until(lambda: len(waiting_of(app)) == 2)
        masker.gate.set()
        assert [await each.task for each in (first, bad, good)] == [200, 500, 200]
        assert bad.said["next"]

    running(app, act)
    # What went wrong is told to the operator by its kind alone.
    assert "RuntimeError" in caplog.text
    assert "black" not in caplog.text


def test_many_requests_leave_nothing_behind(masker: Any, make_photo: Any, encode: Any) -> None:
    app = make_app(masker, limits=Limits(kept=3), threads=1)
    picture = encode(make_photo())

    async def act() -> None:
        statuses: list[Awaitable[int]] = [Caller(app, "/api/explain", [picture]).task for _ in range(50)]
        assert set(await asyncio.gather(*statuses)) == {200}
        service = next(route.endpoint for route in app.routes if route.path == "/api/about").__self__
        assert len(service.kept) == 3
        assert service.room.taken == 0

    running(app, act)
