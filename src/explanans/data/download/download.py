"""A published file from its address to its place, whole, and the very file that was published.

Written on the standard library: torch.hub, torchvision and pooch begin a broken download again from its first byte, and
say neither where a file that was fetched by hand belongs nor which file that is.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from explanans.data.download.checksums import check_file, parse_checksum
from explanans.data.download.transfer import Transfer
from explanans.errors import InputError
from explanans.utils.locks import hold
from explanans.utils.progress import Progress


def fetch(
    url: str,
    path: Path,
    *,
    size: int | None = None,
    checksum: str | None = None,
    page: str | None = None,
    progress: bool = True,
) -> Path:
    """Download ``url`` to ``path``, which appears when all of it is there and has been checked, and not before.

    What has arrived lies in ``NAME.part`` beside it. When the connection breaks, or the next call finds such a file,
    the download goes on from its end (HTTP Range) if the server says that the file is still the same (If-Range with its
    ETag or date, noted in ``NAME.part.json``); if not, it starts again. A ``path`` that exists, fetched earlier or put
    there by hand, is checked and nothing is downloaded. Proxies are those of the environment (``https_proxy``).

    Args:
        url: http or https.
        path: the file to be; its folder is made.
        size: bytes that the file must have; without it, those that the server announces.
        checksum: ``"md5:…"`` or ``"sha256:…"`` in hexadecimal digits.
        page: the official page of the file, for the message that tells how to fetch it by hand.
        progress: say how far it is.

    Returns:
        ``path``.

    Raises:
        InputError: no way to the server, a refusal, another length or checksum than published, too little space on the
            disk, another process at the same file. It says which file from where belongs where. What arrived is kept,
            unless the checksum proves it wrong.
    """
    path = Path(path).expanduser()
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"url={url!r}; give an address that begins with https:// or http://.")
    if checksum is not None:
        parse_checksum(checksum)
    if path.exists():
        where = f"{url} (its official page: {page})" if page else url
        check_file(path, size, checksum, f"Delete it and run the same again, or put the file from {where} there.")
        return path
    transfer = Transfer(url, path, size, checksum, page)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(transfer.part), Progress(path.name, unit="bytes", show=progress) as bar:
        transfer.run(bar)
    return path


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Holds ``part`` against a second process that would write into the same file."""
    with part.open("ab") as file:
        # On Windows the checksum alone has to tell.
        hold(file, f"another process is downloading {part}; wait until it is done.")
        try:
            yield
        finally:
            if part.exists() and not part.stat().st_size:
                part.unlink()
