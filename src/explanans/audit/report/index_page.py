"""The first page of a report: what is suspect, ranked, and a row for each class."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from explanans.audit.class_findings import ClassSummary
from explanans.audit.contrasts import Contrast
from explanans.audit.report.confused_page import CONFUSED, confused_table
from explanans.audit.report.pictures import Pictures
from explanans.audit.suspects import ACCUSED, Suspect
from explanans.benchmark.report import page as html

SHOWN, PHOTOS = 20, 8


def index_page(
    title: str,
    classes: list[ClassSummary],
    suspects: list[Suspect],
    numbers: list[tuple[str, str]],
    pictures: Pictures,
    confused: Sequence[Contrast] = (),
) -> str:
    """A whole page.

    Args:
        title: what was audited.
        suspects: ranked.
        numbers: large figures, each with what it means.
        confused: pairs of classes; their page is linked.
    """
    accused = [suspect for suspect in suspects if suspect.accused]
    names = sorted({suspect.name for suspect in accused})
    said = f"Accused: {', '.join(names)}." if names else "Nothing is accused."
    columns = {each.name: column for column, each in enumerate(classes)}
    parts = [
        html.heading(title, 1),
        html.paragraph(said, "lead"),
        html.tiles([*numbers, (str(len(accused)), f"accusations, of {len(suspects)} suspicions")]),
        html.heading("Suspects"),
        html.paragraph(
            "Each was tested by changing photos and asking the classifier. The effect is a difference of two shares: "
            "where the suspect was put or left, less where it was not, all else alike; in brackets its 95 % interval. "
            f"Accused is what lies above {ACCUSED:g} with its whole interval, unless it may be the object itself; not "
            "confirmed is what may have no effect."
        ),
    ]
    shown = [each for each in suspects if each.verdict != "not confirmed"][:SHOWN]
    cards = [suspect_card(rank, each, columns[each.name], pictures) for rank, each in enumerate(shown, 1)]
    parts.append(html.group("photos", cards) if cards else html.paragraph("No suspicion was confirmed."))
    if len(suspects) > len(shown):
        parts.append(
            html.paragraph(f"{len(suspects) - len(shown)} more are on the pages of their classes and in look_at.csv.")
        )
    if confused:
        parts += [html.heading("Confused classes"), confused_table(confused)]
        parts.append(f'<p><a href="{CONFUSED}">Why this class and not that one</a></p>')
    parts += [html.heading("Classes"), class_table(classes, suspects)]
    return html.page(title, *parts)


def suspect_card(rank: int, suspect: Suspect, column: int, pictures: Pictures, photos: int = PHOTOS) -> str:
    """What is suspected, what was tested, and the clearest photos."""
    effect = suspect.effect
    tested = (
        f"Effect {effect.value:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]: {suspect.tested}, {effect.hits} of "
        f"{effect.tried} against {effect.control_hits} of {effect.control_tried}."
    )
    facts = "; ".join(f"{name} {value:.2f}" for name, value in suspect.facts.items())
    body = [
        f'<h3>{rank}. {escape(suspect.name)}, {escape(suspect.kind)} <span class="soft">{suspect.verdict}</span></h3>',
        html.paragraph(suspect.says),
        html.paragraph(tested),
        *([html.paragraph(facts, "soft")] if facts else []),
        _examples(suspect, column, pictures, photos),
    ]
    return html.group("photo", body)


def _examples(suspect: Suspect, column: int, pictures: Pictures, photos: int) -> str:
    """The clearest photos: what their masks keep, or where it lies if that is another place."""
    if suspect.kind not in ("place", "thing", "pattern"):
        return pictures.cut_outs(suspect.examples, column, photos)
    shown = enumerate(suspect.examples[:photos])
    return html.group("cells", [pictures.at(index, column, suspect.cells(number)) for number, index in shown])


def class_table(classes: list[ClassSummary], suspects: list[Suspect]) -> str:
    """A row for each class, its name a link to its page."""
    header = ["class", "labelled", "seen", "right", "wrong", "missed", "area", "kept", "removed", "hold"]
    header += ["inside", "border", "outside", "suspicions", "accused"]
    rows = []
    for column, each in enumerate(classes):
        own = [suspect for suspect in suspects if suspect.name == each.name]
        counts = (each.labelled, each.seen, each.right, each.wrong, each.missed)
        shares = [each.means[name] for name in ("area", "kept", "removed")]
        shares += [each.holding, *(each.means[name] for name in ("inside", "border", "outside"))]
        cells = ["–" if count is None else f"{count:,}" for count in counts]
        cells += ["–" if share is None else f"{share:.2f}" for share in shares]
        cells += [str(len(own)), str(sum(suspect.accused for suspect in own))]
        link = f'<a href="{page_name(column)}">{escape(each.name)}</a>'
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in (link, *map(escape, cells))) + "</tr>")
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def page_name(column: int) -> str:
    """Where the page of a class is, from the first page."""
    return f"classes/{column:04d}.html"
