"""Training curves as SVG inside a page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from explanans.drawing import PALETTE

# Stands for the page's text colour, which differs between light and dark.
INK = "#010203"
# Yellow cannot be told from white paper.
COLOURS = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in PALETTE if (red, green) != (240, 228)]
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))


def curves(rows: Sequence[Mapping[str, float]], names: Mapping[str, str], title: str) -> str:
    """Lines over epochs as an ``<svg>`` element.

    Lines differ in colour and in their dashes. Text is text and takes the page's colour.

    Args:
        rows: of ``metrics.csv``, see :func:`explanans.training.curves.read_curves`.
        names: columns to draw, and what each is called.
        title: for those who do not see it.
    """
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}):
        drawn = Figure(figsize=(5, 3), layout="constrained")
        canvas = FigureCanvasSVG(drawn)
        axes = drawn.add_subplot()
        for index, (name, label) in enumerate(names.items()):
            points = [(row["epoch"], row[name]) for row in rows if name in row]
            if points:
                look = STYLES[index % len(STYLES)]
                marker = "o" if len(points) == 1 else None
                colour = COLOURS[index % len(COLOURS)]
                axes.plot(*zip(*points, strict=True), label=label, color=colour, ls=look, lw=2, marker=marker)
        axes.set_xlabel("epoch", color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(INK)
        axes.patch.set_alpha(0)
        drawn.patch.set_alpha(0)
        if axes.lines:
            axes.legend(frameon=False, labelcolor=INK, fontsize=9)
        buffer = io.StringIO()
        canvas.print_svg(buffer, metadata={"Date": None, "Title": title})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")
