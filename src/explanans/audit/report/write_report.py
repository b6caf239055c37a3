"""All pages of a report, each written whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from explanans.audit.audited_photos import Photos
from explanans.audit.class_findings import ClassSummary
from explanans.audit.contrasts import Contrast
from explanans.audit.report.class_page import class_page
from explanans.audit.report.confused_page import CONFUSED, confused_page
from explanans.audit.report.index_page import index_page, page_name
from explanans.audit.report.pictures import Pictures
from explanans.audit.suspects import Suspect
from explanans.audit.ways import Way
from explanans.utils.files import atomic_file

REPORT = "report.html"


def write_report(
    out: Path,
    photos: Photos,
    classes: list[ClassSummary],
    ways: list[list[Way]],
    suspects: list[Suspect],
    failed: int,
    confused: Sequence[Contrast] = (),
) -> Path:
    """``report.html``, a page for each class in ``classes`` and one of confused classes; the first one's path."""
    pictures = Pictures(out, photos)
    for column, (summary, of_class) in enumerate(zip(classes, ways, strict=True)):
        own = [suspect for suspect in suspects if suspect.name == summary.name]
        _write(out / page_name(column), class_page(column, summary, of_class, own, pictures))
    seen = sum(each.seen > 0 for each in classes)
    numbers = [(f"{len(photos) - failed:,}", "photos"), (f"{seen} of {len(classes)}", "classes are seen")]
    if failed:
        numbers.append((f"{failed:,}", "photos could not be used, see failed.csv"))
    if confused:
        _write(out / CONFUSED, confused_page(confused, pictures))
    page = index_page(f"Audit on {photos.data.name}", classes, suspects, numbers, pictures, confused)
    _write(out / REPORT, page)
    return out / REPORT


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
