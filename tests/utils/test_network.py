"""Servers that answer, refuse, or never say anything; all of them on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.utils import network
from explanans.utils.network import ask_ahead, hub_or_cache, unreachable

constants = pytest.importorskip("huggingface_hub.constants")
# Far more than a server of this machine needs, however busy it is.
PATIENCE = 600.0


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refusing() -> Iterator[str]:
    """A server that answers 403 to everything."""

    class Refuse(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *ignored: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_whoever_answers_is_in_reach(refusing: str) -> None:
    assert unreachable(refusing, PATIENCE) == ""


def test_whoever_does_not_is_not(silent: str) -> None:
    assert "timed out" in (reason := unreachable(silent, 0.2)) or "no answer" in reason
    # Bound, so that nobody else gets the port, and closed to everybody.
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert "refused" in unreachable(f"http://127.0.0.1:{closed.getsockname()[1]}", PATIENCE)
    assert unreachable("http://")


def test_a_server_that_was_asked_ahead_is_not_asked_again(refusing: str, silent: str) -> None:
    asked = []

    class Asked(network._Question):
        def __init__(self, url: str, seconds: float) -> None:
            asked.append(url)
            super().__init__(url, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "_Question", Asked)
        ask_ahead(refusing)
        ask_ahead(silent, 0.1)
        assert unreachable(f"{refusing}/some/file") == ""
        assert unreachable(f"{silent}/some/file", 60.0)
        assert asked == [refusing, silent]
        # What was said then is not held to be so for ever.
        assert unreachable(f"{refusing}/other") == ""
        assert asked[2:] == [f"{refusing}/other"]


def test_the_hub_is_left_alone_where_it_does_not_answer(
    silent: str, refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "SECONDS", 0.2)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", silent)
    with hub_or_cache() as reason:
        assert reason
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE
    monkeypatch.setattr(network, "SECONDS", PATIENCE)
    monkeypatch.setattr(constants, "ENDPOINT", refusing)
    with hub_or_cache() as reason:
        assert reason == ""
        assert not constants.HF_HUB_OFFLINE


def test_published_weights_end_in_advice(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "SECONDS", 0.2)
    monkeypatch.setattr(constants, "ENDPOINT", silent)
    with pytest.raises(InputError, match=r"test_vit2.*could not be loaded.*pass weights=FILE"):
        Explanandum.load("timm:test_vit2.r160_in1k")
    with pytest.raises(InputError, match=r"was not reached .*Go online"):
        Explainer.from_pretrained("somebody/nothing-of-that-name")
