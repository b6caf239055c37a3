"""Class specificity as tables of numbers on colours: what a class keeps of itself through another class's mask."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import matplotlib
import numpy as np
from numpy.typing import NDArray

COLOUR_MAP = "viridis"
"""One scale for every heat on a page: even in lightness, and the same to people with any colour vision."""


def heat_map(matrix: NDArray[np.float64], classes: Sequence[str], highest: float, title: str) -> str:
    """A small table: a row for each class of images, a column for each class of masks, numbers in percent.

    Args:
        matrix: (C, C), [image class, mask class], in [0, 1]; NaN for a class without an image.
        highest: the value of the brightest colour; the same for all that are to be compared.
        title: what stands above it, for those who do not see it.
    """
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in classes)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>' + "".join(_cell(value, highest) for value in row) + "</tr>"
        for name, row in zip(classes, matrix, strict=True)
    )
    return (
        f'<div class="wide"><table class="heat" aria-label="{escape(title)}"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def diagonal_and_rest(matrix: NDArray[np.float64]) -> tuple[float, float]:
    """Means on and off the diagonal, over the classes that have an image; NaN where there is nothing to average."""
    present = matrix[~np.isnan(matrix).any(1)]
    own = np.flatnonzero(~np.isnan(matrix).any(1))
    if not len(own):
        return float("nan"), float("nan")
    diagonal = present[np.arange(len(own)), own]
    others = present.size - len(own)
    return float(diagonal.mean()), float((present.sum() - diagonal.sum()) / others) if others else float("nan")


def scale(highest: float) -> str:
    """The colours with the numbers at their ends."""
    stops = ", ".join(_hex(value) for value in np.linspace(0, 1, 9))
    return (
        f'<p class="scale"><span>0</span><i style="background:linear-gradient(90deg, {stops})"></i>'
        f"<span>{100 * highest:.0f} %</span></p>"
    )


def _cell(value: float, highest: float) -> str:
    if np.isnan(value):
        return "<td>–</td>"
    share = value / highest if highest > 0 else 0.0
    # Viridis passes from dark to light; white and black are legible on its halves.
    ink = "#fff" if share < 0.6 else "#000"
    return f'<td style="background:{_hex(share)};color:{ink}">{100 * value:.0f}</td>'


def _hex(share: float) -> str:
    red, green, blue, _ = matplotlib.colormaps[COLOUR_MAP](float(np.clip(share, 0, 1)), bytes=True)
    return f"#{red:02x}{green:02x}{blue:02x}"
