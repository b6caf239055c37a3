"""The tables of a benchmark as files, and one of columns that the reader chooses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from explanans.benchmark.report import paper_tables
from explanans.benchmark.report.baselines import warning
from explanans.benchmark.report.comparison import Comparison, compare
from explanans.benchmark.report.cost_and_sanity import cost_csv, cost_rows, sanity_rows
from explanans.benchmark.report.photo_kinds import kind_tables
from explanans.benchmark.results import Results
from explanans.errors import InputError
from explanans.utils.files import atomic_file

LEGEND = (
    "A cell is the mean over the images ± half the width of its 95 % bootstrap interval. ↑ higher, ↓ lower is better. "
    "Marked: the best of a column; ≈ its difference to the best is not significant (paired sign-flip test on the same "
    "images, p ≥ 0.05 after Holm's correction). * other images than the column's. Constant masks explain nothing, "
    "the true objects know the answer: they do not compete. An image on which a method failed counts with the worst "
    "value."
)


def write_tables(results: Results, compared: dict[str, list[Comparison]], folder: Path) -> None:
    """``tables.md`` and the folder ``tables`` with .md, .tex and .csv, each file whole or not at all.

    Args:
        results: of a benchmark.
        compared: by classifier, what :func:`explanans.benchmark.report.comparison.compare_all` found.
        folder: where to.
    """
    everything = [f"# Benchmark on {paper_tables.markdown(results.settings['data']['name'])}", LEGEND]
    files: dict[str, str] = {}
    for classifier, comparisons in compared.items():
        for comparison in comparisons:
            stem = f"{classifier}-{comparison.subset}"
            pieces, typeset = [], []
            if text := warning(results, comparison.rows):
                where = f"{paper_tables.SUBSETS[comparison.subset]}, {classifier}"
                everything.append(f"**{paper_tables.markdown(where)}.** {paper_tables.markdown(text)}")
            for theme, columns in paper_tables.themes(comparison).items():
                caption = (
                    f"{theme}: {paper_tables.SUBSETS[comparison.subset].lower()} ({comparison.images}), {classifier}"
                )
                table = paper_tables.to_markdown(results, comparison, columns)
                pieces.append(f"## {paper_tables.markdown(caption)}\n\n{table}")
                typeset.append(paper_tables.to_latex(results, comparison, columns, caption))
            everything += pieces
            for title, (header, lines) in kind_tables(results, comparison).items():
                caption = f"{title} by kind of photo: {paper_tables.SUBSETS[comparison.subset].lower()}, {classifier}"
                pieces.append(f"## {paper_tables.markdown(caption)}\n\n{paper_tables.plain_markdown(header, lines)}")
                typeset.append(paper_tables.plain_latex(header, lines, caption))
                everything.append(pieces[-1])
            files[f"{stem}.md"] = "\n".join(pieces)
            files[f"{stem}.tex"] = "\n".join(typeset)
            files[f"{stem}.csv"] = paper_tables.to_csv(results, comparison)
        costs = cost_rows(results, classifier)
        sanity = sanity_rows(results, classifier, results.methods)
        for name, caption, (header, lines) in (
            ("cost", "Cost per image", costs),
            ("sanity", "Randomised weights, Spearman / SSIM", sanity),
        ):
            if lines:
                table = paper_tables.plain_markdown(header, lines)
                everything.append(f"## {caption}, {paper_tables.markdown(classifier)}\n\n{table}")
                files[f"{classifier}-{name}.md"] = table
                files[f"{classifier}-{name}.tex"] = paper_tables.plain_latex(header, lines, f"{caption}, {classifier}")
        if costs[1]:
            files[f"{classifier}-cost.csv"] = cost_csv(results, classifier)
    for name, text in {"tables.md": "\n\n".join(everything), **{f"tables/{k}": v for k, v in files.items()}}.items():
        with atomic_file(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def chosen_table(
    results: Results,
    columns: Sequence[str],
    subset: str = "all",
    classifier: str | None = None,
    photos: str | None = None,
) -> str:
    """One table in Markdown with the columns that the reader wants, in their order.

    Args:
        results: of a benchmark.
        columns: names of :data:`explanans.benchmark.columns.COLUMNS`.
        subset: "all" or "shared".
        classifier: whose table; None for the first.
        photos: a kind of them: "one label", "several labels", "small objects", "medium objects" or "large objects";
            None for all.

    Raises:
        InputError: an unknown column or kind of photos, a column that was not measured on these images, an unknown
            classifier, or nothing is done yet.
    """
    classifier = results.classifiers[0] if classifier is None else classifier
    if classifier not in results.classifiers:
        raise InputError(f"classifier={classifier!r} is none of {results.classifiers}.")
    comparison = compare(results, classifier, subset, photos=photos)
    if comparison is None:
        raise InputError(
            f"{results.folder} has no scores on {paper_tables.SUBSETS[subset].lower()} yet; "
            "go on with explanans benchmark."
        )
    missing = [column for column in columns if column not in comparison.columns]
    if missing or not columns:
        raise InputError(f"columns={missing} were not measured on these images; take of {list(comparison.columns)}.")
    complete = all(row.images == comparison.images and not row.failed and not row.nan for row in comparison.rows)
    return paper_tables.to_markdown(results, comparison, columns, counted=not complete)
