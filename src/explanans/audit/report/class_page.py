"""The page of a class: where its evidence lies, the ways in which it is seen, what is suspect about it."""

from __future__ import annotations

from explanans.audit.class_findings import ClassSummary
from explanans.audit.report.index_page import suspect_card
from explanans.audit.report.pictures import Pictures, frame
from explanans.audit.suspects import Suspect
from explanans.audit.ways import Way
from explanans.benchmark.report import page as html


def class_page(column: int, summary: ClassSummary, ways: list[Way], suspects: list[Suspect], pictures: Pictures) -> str:
    """A whole page; ``suspects`` are those of the class."""
    parts = ['<nav><a href="../report.html">all classes</a></nav>', html.heading(summary.name, 1)]
    if summary.mean_mask is None:
        missed = "" if summary.labelled is None else f" {summary.labelled} photos are labelled so."
        parts.append(html.paragraph(f"The classifier never sees this class in these photos.{missed}"))
        return html.page(summary.name, *parts)
    tiles = [(f"{summary.seen:,}", "photos in which it is seen")]
    if summary.right is not None:
        tiles += [(f"{summary.right:,}", "of them labelled so"), (f"{summary.missed:,}", "labelled so and not seen")]
    if summary.holding is not None:
        tiles.append((f"{summary.holding:.0%}", "of its masks hold"))
    if (outside := summary.means["outside"]) is not None:
        tiles.append((f"{outside:.0%}", "of the evidence lies outside of the object"))
    cards = [suspect_card(rank, each, column, pictures, 16) for rank, each in enumerate(suspects, 1)]
    words = [[word, f"{count:,}"] for word, count in summary.words.items()]
    parts += [
        html.tiles(tiles),
        html.heading("Where in the frame"),
        html.group("cells", [frame(summary.mean_mask, summary.name)]),
        html.heading("Ways of seeing it"),
        html.paragraph(
            "What the masks keep, in clusters of the classifier's own features; the most typical cut-outs first."
        ),
        html.group("photos", [_way(column, way, pictures) for way in ways]),
        html.heading("Suspects"),
        html.group("photos", cards) if cards else html.paragraph("None."),
        html.heading("Receipts"),
        html.table(["word", "masks"], words),
    ]
    return html.page(summary.name, *parts)


def _way(column: int, way: Way, pictures: Pictures) -> str:
    said = [f"{way.photos} cut-outs, {way.share:.0%}"]
    if way.right is not None:
        said.append(f"{1 - way.right:.0%} wrong")
    said.append(f"{way.holding:.0%} hold")
    said += [f"{name} {value:.2f}" for name, value in way.means.items()]
    if way.on_object is not None:
        said.append(f"{way.on_object:.0%} on the object")
    said.append(f"alike {way.alike:.2f}")
    others = ", ".join(f"{name} {count}" for name, count in list(way.labels.items())[:5])
    body = [
        html.heading(f"Way {way.number + 1}", 3),
        html.paragraph("; ".join(said)),
        *([html.paragraph(f"seen beside it: {others}", "soft")] if others else []),
        pictures.cut_outs(way.typical, column, len(way.typical)),
    ]
    return html.group("photo", body)
