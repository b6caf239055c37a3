"""Make tables and page of a benchmark again, from the folder that it left.

Writes report.html, which needs nothing but itself, and the tables as Markdown, LaTeX and CSV. Or prints one table of
columns that you choose.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from explanans.benchmark.report.benchmark_page import write_report
from explanans.benchmark.report.photo_section import open_measured
from explanans.benchmark.report.table_files import chosen_table
from explanans.benchmark.results import Results
from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.errors import InputError

PARTS = (
    Part(Results.open),
    Part(write_report, names={"folder": "out"}, without=("results", "show"), defaults={"out": None}),
    Part(chosen_table, names={"subset": "images"}, without=("results",), defaults={"columns": None}),
)


def run(
    given: Given,
    data: str | None = None,
    columns: list[str] | None = None,
    images: Literal["all", "shared"] = "all",
) -> int:
    """Write them.

    Args:
        data: where the images lie (voc:PATH, ...), for the photos; null for where benchmark.json says.
        columns: names of scores, joined by commas, as the CSV tables have them: print one table of these in Markdown
            and write nothing.
        images: of that table: all, or the shared ones that slow methods saw too.
    """
    table_only = {
        "classifier": given["classifier"],
        "photos": given["photos"],
        "images": images if images != "all" else None,
    }
    page_only = {"data": data, "out": given["out"]}
    unused = next((name for name, value in (table_only if columns is None else page_only).items() if value), None)
    if unused is not None:
        raise InputError(
            f"--{unused} chooses what the table of --columns shows; name its columns, or leave it out."
            if columns is None
            else f"--{unused} is for the page, and --columns prints a table alone; leave one of them out."
        )
    results = given.call(Results.open)
    if columns is not None:
        say(given.call(chosen_table, results, columns).rstrip("\n"))
        return 0
    opened = None if data is None else open_measured(results, results.classifiers[0], data)
    out = Path(given["out"] or given["folder"])
    page = given.call(write_report, results, out, data=opened, show=not given["quiet"])
    say(f"tables in {page.parent / 'tables'}; open {page.resolve().as_uri()}")
    return 0
