"""The paper's tables as Markdown, LaTeX and CSV, all from the same cells."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.report.comparison import Cell, Comparison
from explanans.benchmark.results import Results
from explanans.utils.text import printable

THEMES: dict[str, tuple[str, ...]] = {
    "Main scores": (
        *("class_iou_soft", "iou_soft", "f1_soft", "f1_mean", "iou_mean", "f1_best", "iou_best", "saliency"),
        *("specificity_gap", "grid_pointing"),
    ),
    "Class by class, and outlines": (
        *("class_iou_soft", "class_iou_mean", "class_iou_best", "voc_miou", "voc_miou_predicted"),
        *("boundary_iou", "boundary_f1_1", "boundary_f1_2"),
    ),
    "Against the segmentation": (
        *("accuracy_soft", "roc_auc", "average_precision", "object_coverage", "background_coverage"),
        *("pointing", "energy_pointing", "area", "object_area"),
    ),
    "At single thresholds": ("f1_25", "f1_50", "f1_75", "iou_25", "iou_50", "iou_75"),
    "Against the classifier": (
        *("whole", "kept", "removed", "average_drop", "average_increase", "average_drop_50", "average_increase_50"),
        *("average_drop_15", "average_increase_15", "insertion", "deletion", "road"),
        "max_sensitivity",
    ),
}
"""A table of forty columns is read by nobody; these are its parts."""

SUBSETS = {"all": "All images", "shared": "The shared images"}
MARKS = {"best": "", "level": "≈", "": ""}

LATEX = {
    **{"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"},
    **{"↑": r"$\uparrow$", "↓": r"$\downarrow$", "…": r"\dots{}", "±": r"$\pm$", "≈": r"$\approx$", "–": "--"},
    **{"|": r"\textbar{}", '"': r"\textquotedbl{}"},
}


def themes(comparison: Comparison) -> dict[str, list[str]]:
    """The themes of which something was measured, each with its columns."""
    chosen = {name: [column for column in columns if column in comparison.columns] for name, columns in THEMES.items()}
    return {name: columns for name, columns in chosen.items() if columns}


def heading(comparison: Comparison, column: str) -> str:
    """Title and arrow, and the number of images where it is not all of them."""
    scored = comparison.scored[column]
    return COLUMNS[column].heading + ("" if scored == comparison.images else f", {scored} images")


def figure(cell: Cell, column: str) -> tuple[str, str]:
    """A cell as text: the mean, and half the width of its interval; "–" and "" where there is no mean."""
    if cell.missing or math.isnan(cell.mean):
        return "–", ""
    form = COLUMNS[column].format
    star = "*" if cell.short else ""
    return form.format(cell.mean) + star, "" if math.isnan(cell.half) else form.format(cell.half)


def counts(comparison: Comparison, row: int) -> list[str]:
    """Images, failed and NaN of a row."""
    found = comparison.rows[row]
    return [str(found.images), str(found.failed), str(found.nan)]


def to_markdown(results: Results, comparison: Comparison, columns: Sequence[str], counted: bool = True) -> str:
    """Bold: the best; ≈: its difference to the best is not significant; *: not the column's images.

    ``counted``: how many images, failed and NaN maps each row has.
    """
    header = ["method", "normalisation", *(heading(comparison, column) for column in columns)]
    header += ["images", "failed", "NaN"] if counted else []
    lines = [_pipes(header), "|---|---|" + "--:|" * (len(header) - 2)]
    for row, found in enumerate(comparison.rows):
        cells = []
        for column in columns:
            cell = comparison.cells[row, column]
            mean, half = figure(cell, column)
            text = f"**{mean}**" if cell.mark == "best" else mean
            cells.append(text + (f" ±{half}" if half else "") + (f" {MARKS[cell.mark]}" if MARKS[cell.mark] else ""))
        cells += counts(comparison, row) if counted else []
        lines.append(_pipes([markdown(results.title(found.method)), found.normalisation, *cells]))
    return "\n".join(lines) + "\n"


def to_latex(results: Results, comparison: Comparison, columns: Sequence[str], caption: str) -> str:
    """A ``table*`` for booktabs and graphicx, no wider than the text; marks as in Markdown, baselines below a rule."""
    header = ["method", "norm.", *(heading(comparison, column) for column in columns)]
    lines = []
    for row, found in enumerate(comparison.rows):
        cells = [latex(results.title(found.method)), latex(found.normalisation)]
        for column in columns:
            cell = comparison.cells[row, column]
            mean, half = figure(cell, column)
            # A minus, where a hyphen would be.
            text = latex(mean) if mean == "–" else f"${mean}$"
            if cell.mark == "best":
                text = rf"$\mathbf{{{mean}}}$"
            text += rf" {{\scriptsize$\pm${half}}}" if half else ""
            cells.append(text + (r"$\,^{\approx}$" if cell.mark == "level" else ""))
        if comparison.baselines and row == len(comparison.competitors):
            lines.append(r"\midrule")
        lines.append(" & ".join(cells) + r" \\")
    return _tabular("ll" + "r" * len(columns), [latex(cell) for cell in header], lines, caption)


def to_csv(results: Results, comparison: Comparison) -> str:
    """Every number in full: a line for each row and column, with interval, p against the best and against the
    reference (both corrected by Holm for the number of methods)."""
    names = ["classifier", "images", "method", "title", "normalisation", "metric", "higher_is_better", "mean", "low"]
    names += ["high", "scored", "mark", "p_best", "difference_to_reference", "p_reference", "failed", "nan"]
    lines: list[list[str | float]] = []
    for row, found in enumerate(comparison.rows):
        for column in comparison.columns:
            cell = comparison.cells[row, column]
            if cell.missing:
                continue
            difference, p = comparison.versus.get((row, column), (math.nan, math.nan))
            title = results.title(found.method)
            first = [comparison.classifier, comparison.subset, found.method, title, found.normalisation, column]
            figures, tests = (cell.mean, cell.low, cell.high), (cell.p, difference, p)
            direction = {True: "yes", False: "no", None: ""}[COLUMNS[column].higher_is_better]
            mark = "other images" if cell.short else cell.mark
            lines.append([*first, direction, *figures, cell.images, mark, *tests, found.failed, found.nan])
    return written_csv(names, lines)


def written_csv(header: Sequence[str], lines: Sequence[Sequence[str | float]]) -> str:
    """Numbers in full, nothing for NaN, and text that a spreadsheet takes for no formula: ' before =, +, - and @."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_inert(cell) if isinstance(cell, str) else _plain(cell) for cell in line] for line in lines)
    return buffer.getvalue()


def plain_markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of finished cells, the first column text and the others figures."""
    rule = "|---|" + "--:|" * (len(header) - 1)
    body = [_pipes([markdown(cell) for cell in line]) for line in lines]
    return "\n".join([_pipes(header), rule, *body]) + "\n"


def plain_latex(header: Sequence[str], lines: Sequence[Sequence[str]], caption: str) -> str:
    body = [" & ".join(map(latex, line)) + r" \\" for line in lines]
    return _tabular("l" + "r" * (len(header) - 1), [latex(cell) for cell in header], body, caption)


def latex(text: str) -> str:
    """Text with nothing in it that LaTeX takes for a command."""
    return "".join(LATEX.get(letter, letter) for letter in printable(text))


def _tabular(alignment: str, header: Sequence[str], lines: Sequence[str], caption: str) -> str:
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,graphicx}, and \usepackage[T1]{fontenc} for names beyond ASCII",
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{latex(caption)}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            " & ".join(header) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table*}",
            "",
        ]
    )


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def markdown(text: str) -> str:
    """Text with nothing in it that Markdown takes for markup or for the end of a cell."""
    plain = re.sub(r"([\\`*_|\[\]])", r"\\\1", printable(text))
    return " ".join(plain.replace("&", "&amp;").replace("<", "&lt;").split())


def _plain(value: float) -> str:
    return "" if math.isnan(value) else str(value) if isinstance(value, int) else repr(float(value))


def _inert(text: str) -> str:
    return f"'{printable(text)}" if text[:1] in ("=", "+", "-", "@") else printable(text)
