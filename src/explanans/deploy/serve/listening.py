"""Listen for browsers, until the process is told to stop."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from explanans.errors import InputError

# Seconds for what is under way when the server is told to stop, above the deadline of a request.
MARGIN = 5


def open_socket(host: str, port: int) -> socket.socket:
    """Raises:
    InputError: the host is not this machine's, or the port is taken or not allowed.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"port={port} is none; take one from 1024 to 65535, or 0 for any that is free.")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        opened = socket.socket(family, socket.SOCK_STREAM)
        # One that is started again must not wait for the last one's connections; on Windows it would share the port.
        if os.name == "posix":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(address)
            # Here, not by the server: whoever waits for the port is answered as soon as there is an answer.
            opened.listen(2048)
        except OSError:
            opened.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(
            f"cannot listen at host={host} port={port} ({error}); take another --port (0 for any that is free), and as "
            "--host 127.0.0.1 (this machine alone) or 0.0.0.0 (the whole network)."
        ) from error
    return opened


def listen(app: Any, opened: socket.socket, *, root_path: str = "", deadline: float = 120) -> None:
    """Serve until SIGTERM or Ctrl-C: nothing new is taken then, and what is under way is finished.

    Args:
        root_path: where a proxy has put the server, such as ``/explanans``.
        deadline: of a request in seconds; the longest that a stop takes, and a little more.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        root_path=root_path.rstrip("/"),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=int(deadline + MARGIN),
    )
    # The server sends itself the signal again when it has stopped; it is answered by then.
    with _handled(lambda *_: None):
        uvicorn.Server(config).run(sockets=[opened])


@contextmanager
def _handled(handler: Callable[..., None]) -> Iterator[None]:
    before = {each: signal.signal(each, handler) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, earlier in before.items():
            signal.signal(each, earlier)
