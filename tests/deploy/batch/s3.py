"""A way to a real S3 server on this machine that can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Literal


def address(path: str, port: int) -> str:
    return f"s3://key:secret@{path}?region=us-east-1&scheme=http&endpoint_override=127.0.0.1:{port}"


class Proxy:
    """Hands bytes on to a server until ``left`` of them have passed, then breaks every connection; None: never.

    Args:
        port: of the server.
        counts: which bytes, those that come back or those that are sent.
    """

    def __init__(self, port: int, counts: Literal["answers", "requests"] = "answers") -> None:
        self.target = port
        self.counts = counts
        self.left: int | None = None
        self.broken = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self.listening.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for source, sink, kind in ((client, server, "requests"), (server, client, "answers")):
                threading.Thread(target=self._pump, args=(source, sink, kind == self.counts), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        try:
            while content := source.recv(4096):
                if counted and self.left is not None:
                    content, self.left = content[: self.left], max(0, self.left - len(content))
                sink.sendall(content)
                if self.left == 0:
                    self.broken += 1
                    break
        except OSError:
            pass
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
