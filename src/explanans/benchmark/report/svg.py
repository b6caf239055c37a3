"""Drawings inside a page: SVG whose text is text and takes the page's colour, light or dark."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from explanans.images.drawing import PALETTE

# Stands for the page's text colour, which differs between light and dark.
INK = "#010203"
# Yellow cannot be told from white paper.
COLOURS = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in PALETTE if (red, green) != (240, 228)]
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass
class Drawing:
    """``figure`` and ``axes`` to draw on; ``svg`` afterwards."""

    figure: Figure
    axes: Axes
    svg: str = ""


@contextmanager
def drawing(title: str, size: tuple[float, float] = (5, 3)) -> Iterator[Drawing]:
    """Axes without a frame, in the page's colour; an ``<svg>`` element when the block ends.

    Args:
        title: for those who do not see it.
        size: in inches of 72 CSS pixels: 5 are as wide as a phone.
    """
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}):
        drawn = Figure(figsize=size, layout="constrained")
        canvas = FigureCanvasSVG(drawn)
        axes = drawn.add_subplot()
        axes.tick_params(which="both", colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(INK)
        axes.patch.set_alpha(0)
        drawn.patch.set_alpha(0)
        result = Drawing(drawn, axes)
        yield result
        buffer = io.StringIO()
        canvas.print_svg(buffer, metadata={"Date": None, "Title": title})
    text = buffer.getvalue()
    result.svg = text[text.index("<svg") :].replace(INK, "currentColor").replace("<svg ", '<svg role="img" ', 1)


def legend(drawn: Drawing, columns: int = 1, handles: Sequence[Artist] | None = None, below: bool = False) -> None:
    """What the lines are called, without a frame; in the axes where they leave room, or below the drawing."""
    shown = drawn.axes.get_legend_handles_labels()[0] if handles is None else handles
    looks: dict[str, Any] = {"handles": shown, "frameon": False, "labelcolor": INK, "fontsize": 9, "ncols": columns}
    if below:
        drawn.figure.legend(loc="outside lower center", **looks)
    else:
        drawn.axes.legend(**looks)
