"""Whether a server answers, asked once and briefly: libraries wait for it, and try again, for a minute."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from explanans.utils.text import shortened

SECONDS = 4.0


class _Question:
    """One request, asked in a thread: a name that nobody resolves has no timeout of its own."""

    def __init__(self, url: str, seconds: float) -> None:
        self.url, self.seconds, self.until = url, seconds, time.monotonic() + seconds
        self._found: list[str] = []
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url, method="HEAD"), timeout=self.seconds):
                self._found.append("")
        except urllib.error.HTTPError:
            self._found.append("")
        except urllib.error.URLError as error:
            self._found.append(shortened(str(error.reason)))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._found.append(shortened(error))

    def answer(self) -> str:
        self._thread.join(max(0.0, self.until - time.monotonic()))
        return self._found[0] if self._found else f"no answer within {self.seconds:g} s"


_begun: dict[str, _Question] = {}


def ask_ahead(url: str, seconds: float | None = None) -> None:
    """Begin what the next :func:`unreachable` of the same server waits for, while something else is done."""
    _begun[_server(url)] = _Question(url, SECONDS if seconds is None else seconds)


def unreachable(url: str, seconds: float | None = None) -> str:
    """Why the server of ``url`` is out of reach, or "" where it answers, whatever it says; known after ``seconds``.

    Proxies of the environment are used, as by the libraries that fetch.
    """
    asked = _begun.pop(_server(url), None)
    return (asked or _Question(url, SECONDS if seconds is None else seconds)).answer()


def _server(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@contextmanager
def hub_or_cache() -> Iterator[str]:
    """Inside, what fetches from the Hugging Face hub takes the cache alone where the hub is out of reach.

    The block is told why it is, or "".
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    reason = "offline mode (HF_HUB_OFFLINE)" if before else unreachable(constants.ENDPOINT)
    try:
        constants.HF_HUB_OFFLINE = bool(reason)
        yield reason
    finally:
        constants.HF_HUB_OFFLINE = before
