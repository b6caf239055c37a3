"""The page in a headless Chromium, served by a masker whose masks are known by hand."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from explanans.deploy.serve import Repeat, Sample, make_app, open_socket

CHROMIUM = shutil.which("chromium")

REPEAT = Repeat("channels", "explanans explain CHANNELS", "import explanans\n\nwho = WHO")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    # For one module at a time: while it is open, no other event loop can run in this thread.
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Quiet(uvicorn.Server):
    """In a thread of a test, which gets no signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@pytest.fixture
def address(masker: Any, make_photo: Any, encode: Any) -> Iterator[str]:
    sample = Sample(
        "bird.jpg",
        encode(make_photo(5, 64, 48), "JPEG"),
        "bird",
        "Ann",
        "https://a.example",
        "https://b.example",
        "CC BY 2.0",
    )
    opened = open_socket("127.0.0.1", 0)
    server = Quiet(uvicorn.Config(make_app(masker, samples=[sample], repeat=REPEAT, threads=1), log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
    thread.start()
    yield f"http://127.0.0.1:{opened.getsockname()[1]}/"
    server.should_exit = True
    masker.gate.set()
    thread.join()
    opened.close()


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """``open_page(color_scheme="dark", …)``: the page in a context of its own; what it asks of others, or complains of
    in its console, is a failure."""
    contexts, wrong = [], []

    def opened(**options: Any) -> Any:
        context = browser.new_context(accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: wrong.append(request.url) if not _is_ours(request.url, address) else None)
        page.on("console", lambda message: wrong.append(message.text) if _is_wrong(message) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def _is_ours(url: str, address: str) -> bool:
    return url.startswith((address, "blob:", "data:"))


def _is_wrong(message: Any) -> bool:
    # A browser complains of every answer that is a refusal.
    return message.type == "error" and "status of 415" not in message.text
