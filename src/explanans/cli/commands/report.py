"""Make tables and page of a benchmark again, from the folder that it left.

Writes report.html, which needs nothing but itself, and the tables as Markdown, LaTeX and CSV. Or prints one table of
columns that you choose.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from explanans.benchmark.report.benchmark import write_report
from explanans.benchmark.report.photo_section import open_measured
from explanans.benchmark.report.table_files import chosen_table
from explanans.benchmark.results import Results
from explanans.cli.options import add_function


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, report)


def report(
    folder: str,
    out: str | None = None,
    reference: str | None = None,
    data: str | None = None,
    columns: str | None = None,
    images: Literal["all", "shared"] = "all",
    classifier: str | None = None,
    quiet: bool = False,
) -> int:
    """Parse and call.

    Args:
        folder: What explanans benchmark wrote, finished or not.
        out: Where to write; null for the folder itself.
        reference: The method that the others are tested against; null for the benchmark's.
        data: Where the images lie (voc:PATH, ...), for the photos; null for where benchmark.json says.
        columns: Names of scores, separated by commas, as the CSV tables have them: print one table of these in Markdown
            and write nothing.
        images: Of that table: all, or the shared ones that slow methods saw too.
        classifier: Of that table; null for the first.
        quiet: Print nothing.
    """
    results = Results.open(folder)
    if columns is not None:
        wanted = [name.strip() for name in columns.split(",") if name.strip()]
        print(chosen_table(results, wanted, images, classifier), end="")
        return 0
    opened = None if data is None else open_measured(results, results.classifiers[0], data)
    page = write_report(results, Path(out or folder), reference=reference, data=opened, show=not quiet)
    if not quiet:
        print(f"tables in {page.parent / 'tables'}; open {page.resolve().as_uri()}")
    return 0


run = report
