"""The page of two classifiers side by side: what got better or worse, and photos in which they look differently."""

from __future__ import annotations

from pathlib import Path

from explanans.audit.against import FOLDER, ClassChange
from explanans.audit.audited_photos import Photos
from explanans.audit.report.pictures import Pictures
from explanans.audit.report.write_report import REPORT
from explanans.benchmark.report import page as html
from explanans.utils.files import atomic_file

PAGE = "against.html"
PAIRS = 4


def write_against(
    out: Path, photos: Photos, other: Photos, changes: list[ClassChange], titles: tuple[str, str]
) -> Path:
    """``against.html`` beside the audit's report.

    Args:
        out: folder of the audit.
        photos, other: as they were opened for the first classifier and for the other.
        changes: of each class.
        titles: what the two are called.
    """
    both = Pictures(out, photos), Pictures(out / FOLDER, other)
    header = ["class", *("better", "worse", "appears", "goes", "same"), "gain", "overlap of masks"]
    rows = []
    for each in changes:
        gain = "–" if each.gain is None else f"{each.gain.value:+.3f} [{each.gain.low:+.3f}, {each.gain.high:+.3f}]"
        counts = [str(each.changes.get(name, 0)) for name in header[1:6]]
        rows.append([each.name, *counts, gain, "–" if each.overlap is None else f"{each.overlap:.2f}"])
    parts = [
        f'<nav><a href="{REPORT}">the audit</a></nav>',
        html.heading(f"{titles[0]} and {titles[1]}", 1),
        html.paragraph(
            "The same photos, class by class. Better and worse go from the first to the second: a class that is seen "
            "where it is labelled, or no longer seen where it is not. The gain is the share that got better less the "
            "share that got worse, of the photos in which one of the two sees the class or which are labelled so."
        ),
        html.table(header, rows),
        html.paragraph("Below, each photo twice: the first classifier's mask, then the second's."),
    ]
    for column, each in enumerate(changes):
        pairs = [
            *((index, "they look differently") for index in each.differently[:PAIRS]),
            *((index, "better") for index in each.better[:PAIRS]),
            *((index, "worse") for index in each.worse[:PAIRS]),
        ]
        if pairs:
            cells = [side.cut_out(index, column, note) for index, note in pairs for side in both]
            parts += [html.heading(each.name), html.group("cells", cells)]
    with atomic_file(out / PAGE) as temporary:
        temporary.write_text(html.page(f"{titles[0]} and {titles[1]}", *parts), encoding="utf-8")
    return out / PAGE
