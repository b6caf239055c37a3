"""Tables of scores on the page, and what they say in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.report.baselines import OVERLAPS, TRUTH, best_blind
from explanans.benchmark.report.comparison import LEVEL, Comparison
from explanans.benchmark.report.paper_tables import counts, figure, heading
from explanans.benchmark.results import Results

TOLD = ("class_iou_soft", "iou_soft", "f1_soft", "specificity_gap", "saliency", "insertion")
"""Metrics whose outcome is put in words."""


def score_table(results: Results, comparison: Comparison, columns: Sequence[str]) -> str:
    """A table that scrolls in its box; a cell tells its whole interval when it is pointed at."""
    names = ["method", "norm.", *(heading(comparison, column) for column in columns), "images", "failed", "NaN"]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    lines = []
    for row, found in enumerate(comparison.rows):
        cells = [f'<th scope="row">{escape(results.title(found.method))}</th><td>{escape(found.normalisation)}</td>']
        cells += [_cell(comparison, row, column) for column in columns]
        cells += [f"<td>{each}</td>" for each in counts(comparison, row)]
        kind = ' class="baseline"' if row not in comparison.competitors else ""
        lines.append(f"<tr{kind}>{''.join(cells)}</tr>")
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="wide">{table}</div>{_baselines(results, comparison, columns)}'


def reference_table(results: Results, comparison: Comparison, columns: Sequence[str]) -> str:
    """Differences to the reference; those that may be chance in pale letters and marked."""
    chosen = [column for column in columns if COLUMNS[column].higher_is_better is not None]
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in ["method", "norm.", *map(_heading, chosen)])
    lines = []
    for row, found in enumerate(comparison.rows):
        if row == comparison.reference:
            continue
        cells = [f'<th scope="row">{escape(results.title(found.method))}</th><td>{escape(found.normalisation)}</td>']
        for column in chosen:
            difference, p = comparison.versus.get((row, column), (None, None))
            if difference is None or p is None:
                cells.append("<td>–</td>")
            else:
                text = f"{difference:+.3f}".replace("-", "−")
                chance = not p < LEVEL
                about = f"p = {p:.2g}"
                cells.append(
                    f'<td class="{"chance" if chance else ""}" title="{about}">{text}{" ≈" if chance else ""}</td>'
                )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def findings(results: Results, comparison: Comparison) -> list[str]:
    """Who leads in the main metrics, by how much, and who cannot be told apart from it."""
    said = []
    for column in TOLD:
        best = comparison.best(column) if column in comparison.columns else None
        if best is None:
            continue
        cell = comparison.cells[best, column]
        form = COLUMNS[column].format
        mean, half = figure(cell, column)
        text = f"{COLUMNS[column].heading}: {_name(results, comparison, best)} is first with {mean} ±{half}"
        sign = 1 if COLUMNS[column].higher_is_better else -1
        others = [
            row
            for row in comparison.competitors
            if row != best and not comparison.cells[row, column].missing and not comparison.cells[row, column].short
        ]
        if others:
            second = max(others, key=lambda row: sign * comparison.cells[row, column].mean)
            follower = comparison.cells[second, column]
            figures = " ±".join(figure(follower, column))
            apart = cell.low > follower.high if sign > 0 else cell.high < follower.low
            text += f"; next is {_name(results, comparison, second)} with {figures}"
            text += ", their intervals do not overlap" if apart else ", their intervals overlap"
            level = [row for row in others if comparison.cells[row, column].mark == "level"]
            if level:
                text += (
                    f"; not told apart from the first: {', '.join(_name(results, comparison, row) for row in level)}"
                )
        blind = best_blind(results, comparison.rows, column) if column in OVERLAPS else None
        if blind is not None:
            text += f"; {blind.row.title}, which looks at nothing, has {form.format(blind.row.mean[column])}"
            text += f", more than {', '.join(row.title for row in blind.below)}" if blind.below else ""
        said.append(text + ".")
    return said


def _cell(comparison: Comparison, row: int, column: str) -> str:
    cell = comparison.cells[row, column]
    mean, half = figure(cell, column)
    if not half:
        return f"<td>{mean}</td>"
    form = COLUMNS[column].format
    about = f"95 % interval {form.format(cell.low)} to {form.format(cell.high)}, {cell.images} images"
    if cell.p == cell.p:
        about += f", p against the best {cell.p:.2g}"
    sign = '<span class="sign">≈</span>' if cell.mark == "level" else ""
    return f'<td class="{cell.mark}" title="{about}">{mean}&thinsp;<small>±{half}</small>{sign}</td>'


def _baselines(results: Results, comparison: Comparison, columns: Sequence[str]) -> str:
    said = []
    for column in columns:
        names = [comparison.rows[row].method for row in comparison.better_baselines(column)]
        # That the true objects are better says nothing against a score.
        blind = [name for name in names if results.settings["methods"][name]["method"] != TRUTH]
        if blind:
            said.append(f"{COLUMNS[column].title} ({', '.join(results.title(name) for name in blind)})")
    if not said:
        return ""
    return f'<p class="soft">What explains nothing is better than every method in: {escape("; ".join(said))}.</p>'


def _heading(column: str) -> str:
    return COLUMNS[column].heading


def _name(results: Results, comparison: Comparison, row: int) -> str:
    found = comparison.rows[row]
    own = comparison.firsts[found.method] == found.normalisation
    return results.title(found.method) + ("" if own else f" ({found.normalisation})")
