"""What is wrong in the Markdown of docs/ and at the root: dead links, broken tables, blocks that nobody checks.

The strict build finds dead links between pages of the site and to their anchors; this finds what it does not look for
and is quick enough for a test: links to pictures and files, tables, and code that is neither run nor marked.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONFIG = ROOT / "zensical.toml"
# Pages that the build makes, so that they are in the navigation and not in docs/.
MADE = ("changelog.md", "contributing.md", "reference/commands.md")

_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*(.*)$")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
_RULE = re.compile(r"^\|?[\s:|-]+\|[\s:|-]*$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page, line: where its fence is, counted from 1.
        language: the word behind the fence, or "".
        mark: "run" or "not run", from a comment in the line above, or "".
        code: what stands between the fences.
    """

    page: Path
    line: int
    language: str
    mark: str
    code: str


def pages() -> list[Path]:
    """Every page of docs/, and those at the root."""
    return [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md"))]


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The numbered lines outside of fenced blocks."""
    closing = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = _FENCE.match(line)
        if closing:
            closing = "" if line.strip() == closing else closing
        elif found:
            closing = found[2]
        else:
            yield number, line


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found, start, above, open_fence = [], 0, "", None
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if open_fence is None and fence:
            open_fence, start, lines = fence, number, []
        elif open_fence is not None and line.strip() == open_fence[2]:
            mark = re.match(r"^\s*<!-- (run|not run)(?:: .*)? -->\s*$", above)
            language = (open_fence[3].split() or [""])[0]
            found.append(Block(page, start, language, mark[1] if mark else "", "\n".join(lines)))
            open_fence = None
            above = ""
        elif open_fence is not None:
            lines.append(line.removeprefix(open_fence[1]))
        elif line.strip():
            above = line
    return found


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as the site's tool makes them."""
    found: dict[str, int] = {}
    names = set()
    for _, line in prose(text):
        heading = _HEADING.match(line)
        if heading:
            name = slug(heading[1])
            found[name] = found.get(name, -1) + 1
            names.add(f"{name}_{found[name]}" if found[name] else name)
    return names


def slug(heading: str) -> str:
    """Python-Markdown's: what a heading is called in an address."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def broken_links(page: Path) -> list[str]:
    """Links of a page to files or anchors that are not there, and from docs/ to files that the site lacks."""
    problems = []
    for number, line in prose(page.read_text(encoding="utf-8")):
        for target in _LINK.findall(_without_code(line)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            where = f"{page.relative_to(ROOT)}:{number}: {target}"
            inside = page.is_relative_to(DOCS)
            made = inside and file.is_relative_to(DOCS) and file.relative_to(DOCS).as_posix() in MADE
            if inside and not file.is_relative_to(DOCS):
                problems.append(f"{where} leads out of docs/, where the site ends")
            elif not made and not file.exists():
                problems.append(f"{where} is not there")
            elif anchor and not made and file.suffix == ".md" and anchor not in anchors(_read(file)):
                problems.append(f"{where}: no heading is called so")
    return problems


def broken_tables(page: Path) -> list[str]:
    """Tables without a header's rule (a blank line has split them), and rows with another number of cells."""
    problems, table, above = [], [], ""
    for number, line in [*prose(_read(page)), (0, "")]:
        # A line of a paragraph may begin with such a stroke too.
        if line.lstrip().startswith("|") and (table or not above.strip()):
            table.append((number, line))
        elif table:
            problems += [f"{page.relative_to(ROOT)}:{at}: {fault}" for at, fault in _faults(table)]
            table = []
        above = line
    return problems


def unmarked(page: Path) -> list[str]:
    """Blocks of Python and of the shell that say neither "run" nor "not run", alone or for the whole page."""
    if "<!-- code: checked, not run -->" in _read(page):
        return []
    return [
        f"{page.relative_to(ROOT)}:{block.line}: <!-- run --> or <!-- not run: why --> belongs above this block"
        for block in blocks(page)
        if block.language in ("python", "sh") and not block.mark
    ]


def navigation() -> list[str]:
    """The pages that the navigation leads to, in its order."""
    return list(_leaves(tomllib.loads(_read(CONFIG))["project"]["nav"]))


def unreached() -> list[str]:
    """Pages that the navigation does not lead to, and entries of it that are no page."""
    there = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} | set(MADE)
    reached = navigation()
    return [
        *(f"docs/{name} stands in no line of nav in zensical.toml" for name in sorted(there - set(reached))),
        *(f"zensical.toml: nav leads to {name}, which is no page" for name in sorted(set(reached) - there)),
        *(f"zensical.toml: nav leads twice to {name}" for name in sorted(set(reached)) if reached.count(name) > 1),
    ]


def problems() -> list[str]:
    """Everything that is wrong in the sources."""
    return [
        *unreached(),
        *(fault for page in pages() for check in (broken_links, broken_tables) for fault in check(page)),
        *(fault for page in [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"] for fault in unmarked(page)),
    ]


def _leaves(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for each in entry.values() if isinstance(entry, dict) else entry:
            yield from _leaves(each)


def _faults(table: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    if len(table) < 2 or not _RULE.match(table[1][1].strip()):
        yield table[0][0], "a row of a table without a header; a blank line above it splits the table"
        return
    width = _cells(table[0][1])
    for number, line in table:
        if _cells(line) != width:
            yield number, f"{_cells(line)} cells in a table of {width} columns"


def _cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", _without_code(line).strip().strip("|"))) + 1


def _without_code(line: str) -> str:
    return re.sub(r"(`+).*?\1", "code", line)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    found = problems()
    print("\n".join(found))
    raise SystemExit(bool(found))
