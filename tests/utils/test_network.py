"""Servers that answer, refuse, or never say anything; all of them on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from torch import nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources.shared.published_weights import published
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


@pytest.fixture
def portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A captive portal, which answers everything with its page; caches are empty."""
    page = b"<!doctype html><html><body>Accept our terms to go online.</body></html>"

    class Portal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in (
                ("Content-Type", "text/html"),
                ("Content-Length", str(len(page))),
                ("ETag", '"portal"'),
            ):
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(page)

        do_HEAD = do_GET

        def log_message(self, *ignored: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Portal)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(network, "SECONDS", PATIENCE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    before = torch.hub._get_torch_home()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert torch.hub._get_torch_home() != before
    yield url
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.bad_input
def test_the_page_of_a_captive_portal_is_not_taken_for_weights(portal: str) -> None:
    with pytest.raises(InputError, match=r"test_vit2.*could not be loaded.*pass weights=FILE"):
        Explanandum.load("timm:test_vit2.r160_in1k")
    with pytest.raises(InputError, match=r"'hf:somebody/nothing' .*could not be loaded.*put config\.json"):
        Explanandum.load("hf:somebody/nothing")
    with pytest.raises(InputError, match=r"'somebody/nothing' could not be fetched.*log-in page.*in a browser"):
        Explainer.from_pretrained("somebody/nothing")


@pytest.mark.bad_input
@pytest.mark.parametrize("hashed", [True, False])
def test_nor_where_pytorch_fetches_them(portal: str, hashed: bool) -> None:
    url = f"{portal}/weights-0123abcd.pth"

    def build() -> nn.Module:
        torch.hub.load_state_dict_from_url(url, progress=False, check_hash=hashed, weights_only=True)
        raise AssertionError("it was read")

    told = rf"net: the published weights could not be loaded \({'' if hashed else '.*delete it'}.*fetch {url} elsewhere"
    for _ in range(2):
        with pytest.raises(InputError, match=told):
            published("net", build, url)


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
