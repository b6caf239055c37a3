"""What is wrong in the built site: requests to others, pictures and files that are not there, tables left as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches without being asked; a link that a reader clicks may lead anywhere.
FETCHED = {
    "img": "src",
    "script": "src",
    "source": "src",
    "iframe": "src",
    "audio": "src",
    "video": "src",
    "link": "href",
}
_REMOTE = re.compile(r"^(?:https?:)?//")
_IN_STYLE = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])((?:https?:)?//[^'")]+)""")


class Page(HTMLParser):
    """What a page fetches, links to and shows.

    Attributes:
        fetched, links: addresses.
        anchors: ids and names.
        text: of paragraphs that begin like a row of a table.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.rows: list[str] = []
        self._paragraph = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        # A link that says where the page stands, or which page is next, fetches nothing.
        if tag in FETCHED and (tag != "link" or found.get("rel") in ("stylesheet", "icon", "preload", "preconnect")):
            self.fetched.append(found.get(FETCHED[tag]) or "")
        if tag == "a" and found.get("href"):
            self.links.append(found["href"] or "")
        self.anchors |= {found[name] or "" for name in ("id", "name") if name in found}
        self._paragraph = tag == "p"

    def handle_data(self, data: str) -> None:
        if self._paragraph and re.match(r"\s*\|.*\|\s*$", data, re.DOTALL):
            self.rows.append(data.strip().splitlines()[0])
        self._paragraph = False


def faults_of(site: Path) -> list[str]:
    """Every fault of a built site."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    found = [fault for page in pages.values() for fault in _faults(page, pages, site)]
    for path in sorted(site.rglob("*.css")):
        for address in _IN_STYLE.findall(path.read_text(encoding="utf-8")):
            found += [f"{path.relative_to(site)}: fetches {address}"]
    return found


def _faults(page: Page, pages: dict[Path, Page], site: Path) -> Iterator[str]:
    where = page.path.relative_to(site)
    for row in page.rows:
        yield f"{where}: a table that is left as text: {row[:80]}"
    for address in page.fetched:
        if _REMOTE.match(address):
            yield f"{where}: fetches {address}"
    # The page of an error is shown anywhere, so that its addresses begin at the root.
    if where.name == "404.html":
        return
    for address in [*page.fetched, *page.links]:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
        if not target.exists():
            yield f"{where}: {address} is not there"
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
            yield f"{where}: {address} leads to no anchor"
