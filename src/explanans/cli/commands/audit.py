"""Audit a classifier on a whole data set: what it uses for every class, everywhere, and where that is suspect.

Explains every photo, with a trained Explainer or (slower) with a method that needs no training, and sums up class by
class: how often it is seen, right and wrong, where in the frame its evidence lies, how much the masks keep and remove,
and, where the data has segmentations or a table of boxes is given, how much of the evidence lies on the object. What is
suspect is tested by hiding it and by pasting it into photos of other classes, and ranked. A photo that cannot be used
is reported in the end, and the exit status is then 1. Repeat the command after an interruption: finished shards are
kept.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from explanans.audit import Settings, audit, open_photos
from explanans.audit.against import audit_against
from explanans.audit.class_findings import ClassSummary
from explanans.audit.pass_over import Spread
from explanans.audit.report.against_page import write_against
from explanans.audit.report.write_report import REPORT
from explanans.audit.run import FAILED, TABLE
from explanans.audit.suspects import Suspect
from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.explainers.named import Named
from explanans.explanations.by_method import ByMethod
from explanans.utils.devices import choose_device
from explanans.utils.progress import Progress
from explanans.utils.tables import aligned

MOST_FAILURES, MOST_SUSPECTS = 20, 10

PARTS = (
    Part(Named, without=("whole_evidence",), names={"name": "who", "classes": "class_names"}),
    Part(open_photos, without=("explanandum",)),
    Part(audit, without=("masker", "photos", "settings", "spread", "told"), defaults={"out": "audit"}),
    Part(Settings, without=("batch_size",)),
)


def run(
    given: Given,
    against: str | None = None,
    ray: bool = False,
    actors: int = 1,
    gpus: float = 0,
    device: str = "auto",
) -> int:
    """Audit it.

    Args:
        against: another classifier or Explainer, explained by the same method on the same photos: what is better or
            worse than with it, and where the two look differently.
        ray: explain the photos on the Ray cluster that RAY_ADDRESS names, or on one of this machine; the rest is done
            here.
        actors: copies of who explains on the cluster.
        gpus: of each of them.
        device: auto, cpu, cuda, cuda:1, mps.
    """
    named = given.call(Named)
    masker = named.load().to(choose_device(device))
    if isinstance(masker, ByMethod):
        say(f"method: {masker.name} ({masker.why})")
    photos = given.call(open_photos, masker.explanandum)
    settings = given.call(Settings, batch_size=named.batch_size)
    with Progress("auditing", len(photos), show=not given["quiet"]) as progress:

        def told(step: str, done: int, total: int) -> None:
            if step == progress.note:
                progress.set(done=done, total=total)
            else:
                progress.found(done, total)
                progress.set(note=step)

        spread = Spread(named, actors, gpus) if ray else None
        found = given.call(audit, masker, photos, settings=settings, spread=spread, told=told)
        if against is not None:
            second = replace(Named(against), method=named.method, trust_factory=named.trust_factory)
            other = replace(second, method_options=named.method_options, batch_size=named.batch_size).load()
            beside = given.call(open_photos, other.explanandum)
            step = partial(told, "looking with the other")
            changes = audit_against(
                found, other.to(choose_device(device)), beside, settings, workers=given["workers"], told=step
            )
            page = write_against(found.folder, photos, beside, changes, (named.name, against))
    say(class_table(found.classes))
    say(suspect_table(found.suspects))
    say(f"\n{found.photos:,} photos; a row for each of their classes is in {found.folder / TABLE}")
    if against is not None:
        say(f"beside {against}: open {page.resolve().as_uri()}")
    say(f"open {(found.folder / REPORT).resolve().as_uri()}")
    if found.troubled:
        say(
            f"{found.troubled:,} rows have something that could not be used; their column trouble says what", sys.stderr
        )
    for source, reason in found.failed[:MOST_FAILURES]:
        say(f"failed: {source}: {reason}", sys.stderr)
    if len(found.failed) > MOST_FAILURES:
        say(f"… and {len(found.failed) - MOST_FAILURES:,} more, in {found.folder / FAILED}", sys.stderr)
    return 1 if found.failed else 0


def class_table(classes: Sequence[ClassSummary]) -> str:
    header = ["class", "labelled", "seen", "right", "wrong", "missed", "area", "kept", "removed", "hold"]
    located = any(each.located for each in classes)
    rows = []
    for each in classes:
        counts = (each.labelled, each.seen, each.right, each.wrong, each.missed)
        shares = [each.means["area"], each.means["kept"], each.means["removed"], each.holding]
        shares += [each.means[name] for name in ("inside", "outside")] if located else []
        row = [each.name, *("–" if count is None else f"{count:,}" for count in counts)]
        rows.append([*row, *("–" if share is None else f"{share:.2f}" for share in shares)])
    return aligned([*header, *(["inside", "outside"] if located else [])], rows)


def suspect_table(suspects: Sequence[Suspect]) -> str:
    """The first suspicions, and that there are more."""
    if not suspects:
        return "\nnothing is suspect"
    rows = []
    for each in suspects[:MOST_SUSPECTS]:
        effect = f"{each.effect.value:+.2f} [{each.effect.low:+.2f}, {each.effect.high:+.2f}]"
        rows.append([each.name, each.kind, f"{each.photos} of {each.of}", effect, each.verdict])
    table = aligned(["suspects", "kind", "photos", "effect", ""], rows)
    more = len(suspects) - MOST_SUSPECTS
    return f"\n{table}" + (f"\n… and {more} more in the report" if more > 0 else "")
