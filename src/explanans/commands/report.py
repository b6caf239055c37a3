"""Make tables and page of a benchmark again, from the folder that it left.

Writes report.html, which needs nothing but itself, and the tables as Markdown, LaTeX and CSV.
"""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from explanans.benchmark.results import Results
from explanans.commands.options import add_function
from explanans.report.benchmark import write_report
from explanans.report.measured import open_measured


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, report)


def report(
    folder: str, out: str | None = None, reference: str | None = None, data: str | None = None, quiet: bool = False
) -> int:
    """Parse and call.

    Args:
        folder: What explanans benchmark wrote, finished or not.
        out: Where to write; null for the folder itself.
        reference: The method that the others are tested against; null for the benchmark's.
        data: Where the images lie (voc:PATH, ...), for the photos; null for where benchmark.json says.
        quiet: Print nothing.
    """
    results = Results.open(folder)
    opened = None if data is None else open_measured(results, results.classifiers[0], data)
    page = write_report(results, Path(out or folder), reference=reference, data=opened)
    if not quiet:
        print(f"tables in {page.parent / 'tables'}; open {page.resolve().as_uri()}")
    return 0


run = report
