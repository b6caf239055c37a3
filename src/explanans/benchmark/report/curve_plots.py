"""Training curves as SVG inside a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from explanans.benchmark.report.svg import COLOURS, INK, STYLES, drawing, legend


def curves(rows: Sequence[Mapping[str, float]], names: Mapping[str, str], title: str) -> str:
    """Lines over epochs as an ``<svg>`` element.

    Lines differ in colour and in their dashes. Text is text and takes the page's colour.

    Args:
        rows: of ``metrics.csv``, see :func:`explanans.training.curves.read_curves`.
        names: columns to draw, and what each is called.
        title: for those who do not see it.
    """
    # Few names find a free corner; many would lie on the lines and stand below, on a higher drawing.
    below = len(names) > 3
    with drawing(title, (5, 4.2) if below else (5, 3)) as drawn:
        axes = drawn.axes
        for index, (name, label) in enumerate(names.items()):
            points = [(row["epoch"], row[name]) for row in rows if name in row]
            if points:
                look = STYLES[index % len(STYLES)]
                marker = "o" if len(points) == 1 else None
                colour = COLOURS[index % len(COLOURS)]
                axes.plot(*zip(*points, strict=True), label=label, color=colour, ls=look, lw=2, marker=marker)
        axes.set_xlabel("epoch", color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if axes.lines:
            legend(drawn, below=below)
    return drawn.svg
