"""Where nothing can be written, it is said at once and without the key."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from explanans.deploy.batch import explain_many
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer

from .places import explain, run, there
from .s3 import address

pytestmark = pytest.mark.usefixtures("quick")


class Denying(BaseHTTPRequestHandler):
    """Every question is answered by 403."""

    def do_GET(self) -> None:
        content = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if self.command != "HEAD" else b"")

    do_PUT = do_HEAD = do_GET

    def log_message(self, *_: Any) -> None:
        """To nobody."""


@pytest.fixture
def denying() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Denying)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def nobody() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("out", "status", "told"),
    [
        (lambda port, denying, nobody: address("no-such-bucket/x", port), 2, "there is no such bucket; make it first"),
        (lambda port, denying, nobody: address("results/x", denying), 2, "permission denied; check the credentials"),
        (lambda port, denying, nobody: address("results/x", nobody), 1, "cannot be reached"),
        (lambda port, denying, nobody: "s3://key:secret@", 2, "names no bucket"),
        (lambda port, denying, nobody: "ftp://key:secret@host/x", 2, "check the address"),
        (lambda port, denying, nobody: "s3://key:secret@b/x?scheme=carrier&pigeon=1", 2, "check the address"),
    ],
    ids=["bucket", "forbidden", "nobody", "nothing", "scheme", "settings"],
)
def test_where_nothing_can_be_written(
    saved: Path,
    photos: Path,
    client: Any,
    port: int,
    denying: int,
    nobody: int,
    out: Callable[[int, int, int], str],
    status: int,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert explain(saved, photos, out(port, denying, nobody)) == status
    error = capsys.readouterr().err
    assert told in error
    assert "secret" not in error
    assert "Traceback" not in error


@pytest.mark.bad_input
def test_a_place_of_something_else(
    explainer: Explainer, photos: Path, tmp_path: Path, client: Any, place: str, port: int
) -> None:
    out = address(place, port)
    client.put_object(Bucket="results", Key=f"{place.partition('/')[2]}/notes.txt", Body=b"mine")
    with pytest.raises(InputError, match=rf"out=s3://{place} holds other things \(notes\.txt\) and no job\.json"):
        run(explainer, photos, out)
    client.put_object(Bucket="results", Key=f"{place.partition('/')[2]}/job.json", Body=b"{")
    with pytest.raises(InputError, match=rf"^s3://{place}/job\.json \(batch job\) is not valid JSON"):
        run(explainer, photos, out)
    assert set(there(client, place)) == {"notes.txt", "job.json"}
    with pytest.raises(InputError, match="is an address"):
        explain_many(explainer, sorted(photos.rglob("*.png")), out)


@pytest.mark.bad_input
def test_folders_are_for_this_machine(saved: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(saved, photos, "s3://key:secret@bucket/x", "folders") == 2
    error = capsys.readouterr().err
    assert "format=folders is written to this machine, not into s3://bucket/x; take parquet, coco or png" in error
