"""The report of a benchmark: a page that stands alone, and the tables for papers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from explanans.benchmark.report import page as html
from explanans.benchmark.report import paper_tables, sections
from explanans.benchmark.report.baselines import advice, warning
from explanans.benchmark.report.comparison import Comparison, compare_all
from explanans.benchmark.report.cost_and_sanity import cost_rows, sanity_rows
from explanans.benchmark.report.lines import coloured
from explanans.benchmark.report.photo_kinds import kind_tables
from explanans.benchmark.report.photo_section import photo_section
from explanans.benchmark.report.score_table import findings, reference_table, score_table
from explanans.benchmark.report.table_files import LEGEND, write_tables
from explanans.benchmark.results import Results
from explanans.data import LabelledImages
from explanans.errors import InputError
from explanans.utils.files import atomic_file
from explanans.utils.progress import Progress

REPORT = "report.html"
GRID_BUDGET = 4_300_000
"""Bytes for the photos of all classifiers."""


def write_report(
    results: Results,
    folder: str | Path,
    *,
    reference: str | None = None,
    data: LabelledImages | None = None,
    show: bool = False,
) -> Path:
    """Write ``report.html``, ``tables.md`` and the folder ``tables`` with .md, .tex and .csv, each whole or not at all.

    Args:
        results: of a benchmark, finished or not.
        folder: where to; that of the results or another.
        reference: method that the others are tested against; None for the benchmark's own.
        data: the images that were measured, for the photos; None to open what ``benchmark.json`` names under
            ``data.source``. Without either the page says so and has no photos.
        show: say how far it is, on standard error.

    Returns:
        The page.

    Raises:
        InputError: an unknown reference, data of other classes, or a benchmark of which nothing is done yet.
    """
    reference = results.reference if reference is None else reference
    if reference is not None and reference not in results.methods:
        raise InputError(f"reference={reference!r} is none of the methods {results.methods}.")
    # Testing all methods on all columns takes as long as drawing the page.
    with Progress("report", 2 * len(results.classifiers), show=show) as progress:
        compared: dict[str, list[Comparison]] = {}
        for name in results.classifiers:
            progress.set(note=f"intervals and tests of {name}")
            found = compare_all(results, name, reference)
            compared |= {name: found} if found else {}
            progress.advance()
        if not compared:
            raise InputError(f"{results.folder} has no scores yet; go on with explanans benchmark, then report.")
        folder = Path(folder)
        write_tables(results, compared, folder)
        body: list[str] = []
        for name, comparisons in compared.items():
            progress.set(note=f"page of {name}")
            prefix = f"{name}: " if len(compared) > 1 else ""
            body += _classifier(results, comparisons, prefix, reference, data, GRID_BUDGET // len(compared))
            progress.advance()
    body += _measured(results)
    body = [_head(results, compared), html.contents("\n".join(body))]
    path = folder / REPORT
    with atomic_file(path) as temporary:
        temporary.write_text(html.page(f"Benchmark on {results.settings['data']['name']}", *body), encoding="utf-8")
    return path


def _head(results: Results, compared: dict[str, list[Comparison]]) -> str:
    facts = results.settings
    methods = {row.method for found in compared.values() for each in found for row in each.rows}
    figures = [
        (f"{len(results.images):,}", "images"),
        (f"{len(methods)}", "methods, baselines included"),
        (f"{len(results.classes(next(iter(compared))))}", "classes"),
    ]
    if results.subset_images:
        figures.insert(1, (f"{len(results.subset_images):,}", "of them shared by all methods, slow ones too"))
    if len(compared) > 1:
        figures.append((f"{len(compared)}", "classifiers"))
    warned = {
        f"{name}: {text}" if len(compared) > 1 else text
        for name, found in compared.items()
        for each in found
        if (text := warning(results, each.rows))
    }
    advised = advice(results, next(iter(compared.values()))[0].rows)
    said = [
        _findings(results, comparison, f"{name}: " if len(compared) > 1 else "", comparison is found[0])
        for name, found in compared.items()
        for comparison in found
    ]
    done = [
        f"{name}: {row.title} has {row.images} of {each.images} images so far"
        for name, found in compared.items()
        for each in found
        for row in each.rows
        if row.images < each.images
    ]
    unfinished = html.paragraph(f"The benchmark goes on. {'; '.join(done)}.", "soft") if done else ""
    return "".join(
        [
            html.heading(f"Which maps show what the classifier sees? {facts['data']['name']}", 1),
            html.paragraph(
                "Attribution methods under one protocol: the same images, the same scores, every failure counted.",
                "lead",
            ),
            html.tiles(figures),
            *(html.paragraph(text, "warning") for text in sorted(warned)),
            html.paragraph(advised, "soft") if advised else "",
            *said,
            unfinished,
        ]
    )


def _findings(results: Results, comparison: Comparison, prefix: str, open_: bool) -> str:
    said = "".join(f"<li>{escape(text)}</li>" for text in findings(results, comparison))
    title = f"{prefix}{paper_tables.SUBSETS[comparison.subset]} ({comparison.images:,})"
    return html.details(title, f'<ul class="findings">{said}</ul>', open_) if said else ""


def _classifier(
    results: Results,
    comparisons: Sequence[Comparison],
    prefix: str,
    reference: str | None,
    data: LabelledImages | None,
    budget: int,
) -> list[str]:
    # All methods on the same images: the shared ones where some methods are slow.
    widest = comparisons[-1]
    rivals = [widest.rows[row].method for row in widest.own if row in widest.competitors]
    bright = coloured(rivals, reference)
    parts = [html.heading(f"{prefix}Photos"), *photo_section(results, widest.classifier, rivals, data, budget)]
    for comparison in comparisons:
        parts += _scores(results, comparison, prefix, LEGEND if comparison is comparisons[0] else "Marks as above.")
    costs = [(each, sections.cost_figures(results, each, bright)) for each in comparisons]
    if any(figures for _, figures in costs):
        text = "Time is that of the maps for the labels of one image, without loading and scoring."
        parts += [html.heading(f"{prefix}Quality against cost"), html.paragraph(text)]
        parts += _charts(costs)
    header, lines = cost_rows(results, widest.classifier)
    if lines:
        parts.append(html.details("Cost: time, memory, passes through the classifier", html.table(header, lines)))
    curves = [(each, sections.threshold_figures(results, each, bright)) for each in comparisons]
    shown = [(widest, sections.insertion_figures(results, widest, bright))]
    for title, drawn in (("F1 and IoU over thresholds", curves), ("Insertion and deletion", shown)):
        if any(figures for _, figures in drawn):
            parts += [html.heading(prefix + title), *_charts(drawn)]
    seen: set[str] = set()
    heats: list[str] = []
    for each in comparisons:
        # A method that saw every image is not shown again on a part of them.
        drawn_heats = sections.specificity_figures(results, each, leave_out=seen)
        heats += [html.paragraph(_on(each)), *drawn_heats] if drawn_heats else []
        seen |= {row.method for row in each.rows}
    if heats:
        text = (
            "Row: the class of the images. Column: the class whose mask is put on them. Number: the classifier's mean "
            "softmax probability of the row's class, in percent. A method that tells classes apart is bright on the "
            "diagonal and dark elsewhere; one that shows whatever is salient is bright everywhere."
        )
        parts += [html.heading(f"{prefix}Class specificity"), html.paragraph(text), *heats]
    header, lines = sanity_rows(results, widest.classifier, [widest.rows[row].method for row in widest.own])
    if lines:
        text = (
            "The network's layers are randomised from the output down. Spearman correlation / SSIM with the maps of "
            "the trained network: maps that stay alike do not show what the network has learned."
        )
        parts += [html.heading(f"{prefix}Sanity: randomised weights"), html.paragraph(text)]
        parts.append(html.table(header, lines))
    if failed := sections.failures(results, comparisons):
        text = "Each counts with the worst value of every score."
        parts += [html.heading(f"{prefix}Failed and NaN"), html.paragraph(text), *failed]
    return parts


def _on(comparison: Comparison) -> str:
    return f"On {comparison.images:,} images that all these methods saw, each method with its own normalisation."


def _charts(drawn: Sequence[tuple[Comparison, Sequence[str]]]) -> list[str]:
    """Figures below the number of images that they are of."""
    return [
        part
        for comparison, figures in drawn
        if figures
        for part in (html.paragraph(_on(comparison)), html.group("charts", figures))
    ]


def _scores(results: Results, comparison: Comparison, prefix: str, legend: str) -> list[str]:
    about = (
        "Methods that saw every image."
        if comparison.subset == "all"
        else "Every method, the fast ones too, on the images that all of them saw."
    )
    name = f"{prefix}{paper_tables.SUBSETS[comparison.subset]} ({comparison.images:,})"
    parts = [html.heading(name), html.paragraph(f"{about} {legend}")]
    for number, (theme, columns) in enumerate(paper_tables.themes(comparison).items()):
        parts.append(html.details(theme, score_table(results, comparison, columns), number == 0))
    for title, (header, lines) in kind_tables(results, comparison).items():
        parts.append(html.details(f"{title} by kind of photo", html.table(header, lines)))
    if comparison.reference is not None:
        title = results.title(comparison.rows[comparison.reference].method)
        text = html.paragraph("≈ may be chance (p ≥ 0.05 after Holm's correction).", "soft")
        columns = next(iter(paper_tables.themes(comparison).values()))
        parts.append(html.details(f"Difference to {title}", reference_table(results, comparison, columns) + text))
    return parts


def _measured(results: Results) -> list[str]:
    facts = results.settings
    machine = ", ".join(f"{name} {value}" for name, value in facts["machine"].items())
    versions = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    lines = [
        f"data        {facts['data']['name']}, split {facts['data']['split']}, {len(results.images)} images",
        f"fingerprint {facts['data']['fingerprint']}",
        f"seed        {facts['seed']}",
        f"machine     {machine}",
        f"versions    {versions}",
        *(f"{name:11} {value}" for name, value in facts["settings"].items() if not isinstance(value, dict)),
    ]
    return [
        html.details("How it was measured", html.code(lines)),
        f"<footer>{escape('Made by explanans report. The file needs nothing but itself.')}</footer>",
    ]
