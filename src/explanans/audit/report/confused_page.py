"""The page of classes that are confused: why the one and not the other, photo by photo."""

from __future__ import annotations

from collections.abc import Sequence

from explanans.audit.contrasts import Contrast
from explanans.audit.report.pictures import Pictures
from explanans.benchmark.report import page as html

CONFUSED = "confused.html"


def confused_page(confused: Sequence[Contrast], pictures: Pictures) -> str:
    """A whole page: of each pair its figures, and photos with the masks of both classes over the other."""
    parts = [
        '<nav><a href="report.html">all classes</a></nav>',
        html.heading("Why this class and not that one", 1),
        html.paragraph(
            "The pairs of classes that are confused most: photos that are labelled as one, in which the other is seen "
            "and not labelled. Each photo is there twice: what speaks for the class that is seen more than for the "
            "label, then what speaks for the label more than for the class that is seen."
        ),
        confused_table(confused),
    ]
    for each in confused:
        label, seen = each.confusion.label, each.confusion.seen
        effect = each.effect
        cells = []
        for index, for_seen, for_label in zip(each.indices, each.seen_over_label, each.label_over_seen, strict=False):
            cells.append(pictures.spotlit(index, for_seen, seen, [f"{seen}, not {label}"]))
            cells.append(pictures.spotlit(index, for_label, label, [f"{label}, not {seen}"]))
        parts += [
            html.heading(f"{label}, and {seen} is seen"),
            html.paragraph(
                f"Where what speaks for {seen} is hidden, {label} has more than {seen} in {effect.hits} of "
                f"{effect.tried} photos; where the mask of another photo is hidden, in {effect.control_hits} of "
                f"{effect.control_tried}. "
                f"Effect {effect.value:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]."
            ),
            html.group("cells", cells),
        ]
    return html.page("Why this class and not that one", *parts)


def confused_table(confused: Sequence[Contrast]) -> str:
    rows = [
        [
            each.confusion.label,
            each.confusion.seen,
            f"{each.confusion.photos:,} of {each.confusion.of:,}",
            f"{each.confusion.missed:,}",
            f"{each.effect.value:+.2f} [{each.effect.low:+.2f}, {each.effect.high:+.2f}]",
        ]
        for each in confused
    ]
    return html.table(["labelled", "seen", "photos", "the label not seen", "effect of hiding what speaks for it"], rows)
