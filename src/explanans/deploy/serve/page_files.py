"""The files of the page, read once when a server starts: no request opens a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Sample:
    """A photo that a page offers, and whom it is owed to.

    Attributes:
        name: of its file, as a download is called.
        content: a JPEG.
        label: what it shows.
        author, author_url, source, licence: the credit, which is shown beside it.
    """

    name: str
    content: bytes
    label: str
    author: str
    author_url: str
    source: str
    licence: str


@dataclass(frozen=True)
class PageFile:
    content: bytes
    kind: str


def page_files(samples: Sequence[Sample] = ()) -> dict[str, PageFile]:
    """Every file that is served, by its path below the server's root; "" is the page."""
    files = {f"samples/{number}.jpg": PageFile(each.content, "image/jpeg") for number, each in enumerate(samples)}
    for entry in (resources.files("explanans.deploy.serve") / "page").iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if suffix in KINDS:
            files[entry.name] = PageFile(entry.read_bytes(), f"{KINDS[suffix]}; charset=utf-8")
    return {**files, "": files["index.html"]}


def described(samples: Sequence[Sample]) -> list[Mapping[str, str]]:
    """The samples as a page reads them; addresses are relative to the page."""
    return [
        {
            "address": f"samples/{number}.jpg",
            "name": each.name,
            "label": each.label,
            "author": " ".join(each.author.split()),
            "author_url": each.author_url,
            "source": each.source,
            "licence": each.licence,
        }
        for number, each in enumerate(samples)
    ]
