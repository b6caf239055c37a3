"""What a reader of a page sees: its headings, texts, tables, pictures and drawings, whatever the markup around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "br", "hr", "link", "input"}
UNSEEN = {"style", "title", "metadata", "defs"}


@dataclass
class Node:
    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    def all(self, *tags: str) -> list[Node]:
        """Elements of these tags inside, in their order; of every tag where none is given."""
        return [node for node in self._inside() if not tags or node.tag in tags]

    @property
    def text(self) -> str:
        """What is read, in one line."""
        return " ".join("".join(self._texts()).split())

    @property
    def marks(self) -> set[str]:
        """Its classes."""
        return set(self.attributes.get("class", "").split())

    def _inside(self) -> Iterator[Node]:
        for child in self.children:
            if isinstance(child, Node):
                yield child
                yield from child._inside()

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in UNSEEN:
                # What stands in a block or in a cell is no part of the word before it.
                inline = child.tag in ("b", "strong", "small", "span", "a", "i")
                yield from child._texts() if inline else (" ", *child._texts(), " ")


@dataclass(frozen=True)
class Table:
    """Cells as they are read; ``best`` are (row, heading) of those that are marked."""

    header: list[str]
    rows: list[list[str]]
    best: set[tuple[str, str]]

    def cell(self, row: str, heading: str) -> str:
        """Of the first row that begins so."""
        return next(cells for cells in self.rows if cells[0] == row)[self.header.index(heading)]


class Page(HTMLParser):
    """A page, which must be well formed: every element is closed, in the order of opening."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.markup = markup
        self.root = Node("document")
        self._open = [self.root]
        self.feed(markup)
        self.close()
        assert self._open == [self.root], f"never closed: {[node.tag for node in self._open[1:]]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    @property
    def text(self) -> str:
        return self.root.text

    def headings(self, level: int = 2) -> list[str]:
        return [node.text for node in self.root.all(f"h{level}")]

    def section(self, heading: str) -> Node:
        """What stands below a heading of level 2, up to the next."""
        for parent in (self.root, *self.root.all()):
            places = [n for n, child in enumerate(parent.children) if isinstance(child, Node) and child.tag == "h2"]
            for place, end in zip(places, [*places, len(parent.children)][1:], strict=True):
                found = parent.children[place]
                assert isinstance(found, Node)
                if found.text == heading:
                    return Node("section", {}, parent.children[place + 1 : end])
        raise AssertionError(f"no heading {heading!r}; there are {self.headings()}")


def page_of(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def tables(node: Node) -> list[Table]:
    found = []
    for table in node.all("table"):
        lines = [row.all("th", "td") for row in table.all("tr")]
        header = [cell.text for cell in lines[0]]
        rows = [[cell.text for cell in cells] for cells in lines[1:]]
        best = {
            (cells[0].text, header[n]) for cells in lines[1:] for n, cell in enumerate(cells) if "best" in cell.marks
        }
        found.append(Table(header, rows, best))
    return found


def drawings(node: Node) -> list[list[str]]:
    """The texts in each drawing."""
    return [[text.text for text in drawing.all("text")] for drawing in node.all("svg")]


def captions(node: Node) -> list[str]:
    """What stands below pictures, and what is said to those who do not see them."""
    return [each.text for each in node.all("figcaption")]
