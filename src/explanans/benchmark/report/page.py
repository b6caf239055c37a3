"""The pieces of a page: escaped text, pictures inside the file, tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from PIL import Image

from explanans.images.inline import data_uri
from explanans.utils.text import printable

UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""Control characters, halves of a pair, and what turns the direction of the letters behind it."""


def page(title: str, *parts: str) -> str:
    """A whole HTML document; ``parts`` are markup that this module made."""
    home = resources.files("explanans.benchmark.report")
    template = Template((home / "page.html").read_text(encoding="utf-8"))
    style = (home / "style.css").read_text(encoding="utf-8")
    whole = template.substitute(title=escape(title), style=style, body="\n".join(parts))
    return UNSHOWN.sub(lambda found: printable(found[0]), whole)


def heading(text: str, level: int = 2) -> str:
    return f"<h{level}>{escape(text)}</h{level}>"


def contents(markup: str) -> str:
    """Links to the headings of level 2 in ``markup``, and the markup with places to jump to."""
    links: list[str] = []

    def place(match: re.Match[str]) -> str:
        links.append(f'<a href="#part-{len(links) + 1}">{match[1]}</a>')
        return f'<h2 id="part-{len(links)}">{match[1]}</h2>'

    placed = re.sub(r"<h2>(.*?)</h2>", place, markup)
    return f"<nav>{' '.join(links)}</nav>{placed}"


def paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{escape(kind)}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def code(lines: Sequence[str]) -> str:
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def tiles(figures: Sequence[tuple[str, str]]) -> str:
    """Large figures, each with what it means."""
    cells = (
        f'<div class="tile"><strong>{escape(figure)}</strong><span>{escape(text)}</span></div>'
        for figure, text in figures
    )
    return f'<div class="tiles">{"".join(cells)}</div>'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], best: Sequence[tuple[int, int]] = ()) -> str:
    """A table that scrolls sideways on a narrow screen; ``best`` are (row, column) of the cells to mark."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="best">{escape(cell)}</td>' if (i, j) in best else f"<td>{escape(cell)}</td>"
            for j, cell in enumerate(row)
        )
        + "</tr>"
        for i, row in enumerate(rows)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def picture(image: Image.Image, text: str, caption: str = "", width: int = 288, quality: int = 82) -> str:
    """An image inside the page, with ``text`` for those who do not see it; ``caption`` is markup.

    ``quality`` is WEBP's, 0 to 100.
    """
    height = round(image.height * width / image.width)
    shown = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    source = data_uri(shown, quality)
    return f'<figure><img src="{source}" alt="{escape(text)}" width="{width}" height="{height}">{below}</figure>'


def group(kind: str, parts: Sequence[str]) -> str:
    return f'<div class="{escape(kind)}">{"".join(parts)}</div>'


def figure(markup: str, caption: str) -> str:
    """A drawing (markup of :mod:`explanans.benchmark.report.curve_plots`) with its caption."""
    return f"<figure>{markup}<figcaption>{escape(caption)}</figcaption></figure>"


def details(summary: str, markup: str, open_: bool = False) -> str:
    """Something to unfold, without a script."""
    return f"<details{' open' if open_ else ''}><summary>{escape(summary)}</summary>{markup}</details>"
