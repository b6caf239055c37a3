"""Quality against cost: a point for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from explanans.benchmark.report.labels import place_labels
from explanans.benchmark.report.lines import COLOURED, GREY
from explanans.benchmark.report.svg import COLOURS, INK, MARKERS, drawing

FONT = 9

Points = Mapping[str, tuple[float, float, float, float]]


def scatter(
    points: Points,
    names: Mapping[str, str],
    bright: Sequence[str],
    *,
    title: str,
    across: str,
    up: str,
) -> str:
    """An ``<svg>`` element; the horizontal axis is logarithmic, and every point has its name beside it.

    Args:
        points: by method, milliseconds, mean, and the ends of its interval.
        names, bright, title, across, up: as of :func:`explanans.benchmark.report.lines.lines`.
    """
    with drawing(title, (4.6, 4.8)) as drawn:
        axes = drawn.axes
        axes.set_xscale("log")
        for method, (cost, mean, low, high) in points.items():
            place = bright.index(method) if method in bright else None
            colour = GREY if place is None else [*COLOURS, INK][place % COLOURED]
            marker = "o" if place is None else MARKERS[place % len(MARKERS)]
            axes.plot([cost, cost], [low, high], color=colour, lw=1.4, solid_capstyle="butt")
            axes.plot(cost, mean, color=colour, marker=marker, ms=6, ls="")
        costs = [cost for cost, *_ in points.values()]
        if costs:
            # Room for the names.
            axes.set_xlim(min(costs) / 2.5, max(costs) * 2.5)
        # Three ticks to a decade: over a short range the minor ones would write over each other.
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.grid(color=GREY, alpha=0.25, lw=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(across, color=INK)
        axes.set_ylabel(up, color=INK)
        _name(drawn.figure, axes, points, names)
    return drawn.svg


def _name(figure: Figure, axes: Axes, points: Points, names: Mapping[str, str]) -> None:
    """Names beside their points, with a line to those that are far away."""
    # Laid out once, to know where the points are and how large the names.
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")
    renderer = canvas.get_renderer()
    scale = figure.dpi / 72
    texts = {method: names[method].replace("$", r"\$") for method in points}
    place = axes.transData.transform
    where = [(float(x), float(y)) for x, y in (place((cost, mean)) for cost, mean, _, _ in points.values())]
    bars = [(*place((cost, low)), *place((cost, high))) for cost, _, low, high in points.values()]
    lines = [(left - scale, bottom, right + scale, top) for left, bottom, right, top in bars]
    sizes = []
    for method in points:
        probe = figure.text(0, 0, texts[method], fontsize=FONT)
        box = probe.get_window_extent(renderer)
        probe.remove()
        sizes.append((box.width, box.height))
    frame = axes.get_window_extent(renderer)
    corners = place_labels(where, sizes, (frame.x0, frame.y0, frame.x1, frame.y1), gap=5 * scale, lines=lines)
    for method, (x, y), (width, height), (left, bottom) in zip(points, where, sizes, corners, strict=True):
        near = min(max(x, left), left + width), min(max(y, bottom), bottom + height)
        if (near[0] - x) ** 2 + (near[1] - y) ** 2 > (9 * scale) ** 2:
            ends = axes.transData.inverted().transform([(x, y), near])
            axes.plot(*ends.T, color=GREY, lw=0.7, zorder=1)
        across, up = figure.transFigure.inverted().transform((left, bottom + 0.22 * height))
        figure.text(across, up, texts[method], fontsize=FONT, color=INK)
