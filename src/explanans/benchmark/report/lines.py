"""Curves of many methods in one drawing: a few in colour, the others grey behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from explanans.benchmark.report.svg import COLOURS, INK, STYLES, drawing, legend

COLOURED = len(COLOURS) + 1
"""Okabe and Ito's colours without yellow, and the page's own."""

GREY = "#8c8c94"
"""Seen on white and on black alike."""


def coloured(methods: Sequence[str], reference: str | None) -> list[str]:
    """The methods that get a colour: the reference, then the first of the others."""
    return sorted(methods, key=lambda method: method != reference)[:COLOURED]


def lines(
    series: Mapping[str, NDArray[np.float64]],
    along: Sequence[float],
    names: Mapping[str, str],
    bright: Sequence[str],
    *,
    title: str,
    across: str,
    up: str,
) -> str:
    """An ``<svg>`` element of one line for each method; those in colour differ in their dashes as well.

    Args:
        series: by method, values at ``along``.
        names: what each method is called.
        bright: methods in colour, in the order of their colours, whether they are in ``series`` or not, so that a
            method looks the same in every drawing of a page.
        title: for those who do not see it.
        across, up: what the axes are.
    """
    with drawing(title, (4.6, 4.2)) as drawn:
        axes, handles = drawn.axes, []
        # Text in a drawing is markup to matplotlib where it holds a $.
        plain = {method: name.replace("$", r"\$") for method, name in names.items()}
        grey = [method for method in series if method not in bright]
        for method in grey:
            axes.plot(along, series[method], color=GREY, lw=0.9, alpha=0.7)
        for place, method in enumerate(bright):
            if method in series:
                colour = [*COLOURS, INK][place % COLOURED]
                style = STYLES[place % len(STYLES)]
                handles += axes.plot(along, series[method], color=colour, lw=2, ls=style, label=plain[method])
        if grey:
            count = f"{len(grey)} others" if len(grey) > 1 else plain[grey[0]]
            handles.append(Line2D([], [], color=GREY, lw=0.9, label=count))
        axes.set_xlim(min(along), max(along))
        axes.set_ylim(bottom=0)
        axes.set_xlabel(across, color=INK)
        axes.set_ylabel(up, color=INK)
        legend(drawn, columns=2, handles=handles, below=True)
    return drawn.svg
