"""A web server of this process, on the loopback only, that misbehaves as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """What the server does with the file; ``requests`` notes the Range of each request that it got.

    breaks: after how many bytes of the body each of the first answers ends. ranges: whether it knows them.
    announces: a Content-Length other than the true one; "" for none. statuses: answered first, before any file.
    """

    content: bytes
    breaks: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str | None = '"first"'
    announces: int | str | None = None
    statuses: list[int] = field(default_factory=list)
    requests: list[str | None] = field(default_factory=list)


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """The address at which ``behaviour.content`` is served, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            behaviour.requests.append(wanted)
            self.close_connection = True
            if behaviour.statuses:
                self.send_error(behaviour.statuses.pop(0))
                return
            body, start = behaviour.content, 0
            if wanted and behaviour.ranges and self.headers.get("If-Range") in (None, behaviour.etag):
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body) > 0 and start:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            if behaviour.announces != "":
                announced = len(body) - start if behaviour.announces is None else behaviour.announces
                self.send_header("Content-Length", str(announced))
            if behaviour.etag:
                self.send_header("ETag", behaviour.etag)
            self.end_headers()
            sent = body[start:]
            self.wfile.write(sent[: behaviour.breaks.pop(0)] if behaviour.breaks else sent)

        def log_message(self, *arguments: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/some/file.tar?download=1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
