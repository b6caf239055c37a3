"""Whether a server answers, asked once and briefly: libraries wait for it, and try again, for a minute."""

from __future__ import annotations

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from explanans.utils.text import shortened

SECONDS = 4.0


def unreachable(url: str, seconds: float = SECONDS) -> str:
    """Why the server of ``url`` is out of reach, or "" where it answers, whatever it says; known after ``seconds``.

    Proxies of the environment are used, as by the libraries that fetch.
    """
    found: list[str] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds):
                found.append("")
        except urllib.error.HTTPError:
            found.append("")
        except urllib.error.URLError as error:
            found.append(shortened(str(error.reason)))
        except (OSError, http.client.HTTPException, ValueError) as error:
            found.append(shortened(error))

    # A name that nobody resolves has no timeout of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else f"no answer within {seconds:g} s"


@contextmanager
def hub_or_cache() -> Iterator[str]:
    """Inside, what fetches from the Hugging Face hub takes the cache alone where the hub is out of reach.

    The block is told why it is, or "".
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    reason = "offline mode (HF_HUB_OFFLINE)" if before else unreachable(constants.ENDPOINT, SECONDS)
    try:
        constants.HF_HUB_OFFLINE = bool(reason)
        yield reason
    finally:
        constants.HF_HUB_OFFLINE = before
