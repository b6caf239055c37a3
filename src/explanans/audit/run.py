"""An audit from beginning to end, in a folder that an interrupted one goes on with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from explanans.audit.audit_settings import Settings
from explanans.audit.audited_photos import Photos
from explanans.audit.avoid import write_avoid
from explanans.audit.class_findings import ClassSummary, summarise
from explanans.audit.confusions import CONFUSED_BY, confusions
from explanans.audit.contrasts import Contrast, contrasts
from explanans.audit.looked import read_parts
from explanans.audit.pass_over import EXPLAINED, LIST, LOOKED, Spread, explain_photos, look_at_all, seen_by
from explanans.audit.report.write_report import write_report
from explanans.audit.samples import draw
from explanans.audit.suspects import Suspect, find_suspects
from explanans.audit.suspects.interventions import Interventions
from explanans.audit.ways import Way, ways_of
from explanans.audit.written_tables import LOOK_AT_COLUMNS, look_at, write_csv, write_table
from explanans.errors import InputError
from explanans.explanations.batch import Masker
from explanans.utils.records import Kind, write_json
from explanans.utils.run_folder import as_json, check_same, claimed
from explanans.utils.text import printable
from explanans.version import __version__

Told = Callable[[str, int, int], None]
"""(what is being done, photos done, of how many)."""

RECORD, FINDINGS, TABLE, FAILED = "audit.json", "findings.json", "photos.parquet", "failed.csv"
LOOK_AT = "look_at.csv"
KIND = Kind("audit", "put back a copy of it, or name a new folder", {"settings": dict})
FOUND = Kind("findings of an audit", "repeat the command of the audit to make it again", {"classes": [dict]})


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        folder: where everything lies.
        photos: how many were looked at.
        classes: every class, in the classifier's order.
        failed: (file, reason) of the photos that could not be used.
        troubled: rows with something that could not be used, such as a segmentation of another size.
        ways: of each class, the ways in which it is seen, the most frequent first.
        suspects: what is suspected, ranked.
        confused: the pairs of classes that are confused most, with masks of what tells them apart.
    """

    folder: Path
    photos: int
    classes: list[ClassSummary]
    failed: list[tuple[str, str]] = field(default_factory=list)
    troubled: int = 0
    ways: list[list[Way]] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    confused: list[Contrast] = field(default_factory=list)


def audit(
    masker: Masker,
    photos: Photos,
    out: str | Path,
    settings: Settings | None = None,
    *,
    workers: int = 1,
    spread: Spread | None = None,
    told: Told | None = None,
) -> Audit:
    """Explain every photo and sum up, class by class.

    Whatever stops it, the next one with the same arguments does what is missing. A photo that cannot be used is listed
    with the reason and stops nothing. One shard of photos is in memory.

    Args:
        masker: a trained Explainer, or a method of a classifier; its masks are those of its
            :meth:`~explanans.explanations.batch.Masker.whole_evidence`.
        photos: see :func:`explanans.audit.open_photos`.
        out: a new folder, or that of an earlier run with the same arguments. It gets ``photos.parquet`` (a row per
            photo and class, see :data:`explanans.audit.looked.ROWS`), ``findings.json``, ``report.html`` with a
            page for each class, ``look_at.csv`` (photos to look at, for each suspicion), ``failed.csv``, ``avoid.csv``
            (what :func:`explanans.audit.avoid.write_avoid` makes of accusations), and in
            ``explained`` masks and receipts as :func:`explanans.deploy.batch.explain_shards` writes them.
        workers: processes that read and decode photos.
        spread: explain them on a Ray cluster, and do the rest here; ``out`` and the photos are then where every machine
            can reach them. None: explain them here too.
        told: is told how far each step is; of explaining on a cluster, nothing.

    Raises:
        InputError: nothing is left to look at, or ``out`` holds something else.
        OSError: the disk is full or not writable; finished shards stay.
    """
    chosen, out = settings or Settings(), Path(out)
    record = out / RECORD
    with claimed(record, KIND, remains=(LIST, EXPLAINED, LOOKED), levels=1) as earlier:
        now = as_json({**masker.whole_evidence().identity(), "photos": _facts(photos), "options": asdict(chosen)})
        if earlier is not None:
            check_same(record, KIND, earlier["settings"], now)
        else:
            write_json(record, KIND, {"settings": now, "explanans": __version__})
        explaining = _of(told, "explaining")
        failed = explain_photos(masker.eval(), photos, out, chosen, workers=workers, spread=spread, told=explaining)
        if len(failed) == len(photos):
            source, reason = failed[0]
            raise InputError(f"data: none of the {len(photos)} photos could be used; the first, {source}: {reason}")
        parts = look_at_all(masker, photos, out, workers=workers, told=_of(told, "looking"))
        classes = summarise(read_parts(parts), masker.explanandum.classes, photos.labelled)
        samples = draw(read_parts(parts), len(classes), chosen.seed)
        ways = [ways_of(rows, chosen.seed) for rows in samples]
        asked = Interventions(masker.explanandum, photos, seen_by(masker), chosen.batch_size, _left_out(photos, failed))
        suspects = find_suspects(asked, samples, ways, seed=chosen.seed, told=_of(told, "asking about suspects"))
        troubled = write_table(parts, ways, out / TABLE)
        pairs = confusions(read_parts(parts, CONFUSED_BY), masker.explanandum.classes)
        confused = contrasts(masker, photos, pairs, batch_size=chosen.batch_size)
        found = Audit(out, len(photos) - len(failed), classes, failed, troubled, ways, suspects, confused)
        write_avoid(out, photos, masker.explanandum.classes, samples, suspects)
        write_csv(out / FAILED, ("file", "reason"), failed)
        write_csv(out / LOOK_AT, LOOK_AT_COLUMNS, look_at(suspects, photos))
        write_json(out / FINDINGS, FOUND, _findings(found, masker))
        write_report(out, photos, classes, ways, suspects, len(failed), confused)
    return found


def _of(told: Told | None, step: str) -> Callable[[int, int], None] | None:
    return None if told is None else partial(told, step)


def _left_out(photos: Photos, failed: list[tuple[str, str]]) -> set[int]:
    """The photos that failed, by their number."""
    files = {file for file, _ in failed}
    paths = photos.data.paths if files else ()
    return {index for index, path in enumerate(paths) if printable(path.resolve()) in files}


def _facts(photos: Photos) -> dict[str, Any]:
    return {"name": photos.data.name, "number": len(photos), "hash": photos.fingerprint(), "labels": photos.labelled}


def _findings(found: Audit, masker: Masker) -> dict[str, Any]:
    return {
        "photos": found.photos,
        "failed": len(found.failed),
        "troubled": found.troubled,
        "seen": seen_by(masker).rule(masker.explanandum),
        "masks": masker.made_by(),
        "classes": [asdict(each) for each in found.classes],
        "ways": [each.facts() for of_class in found.ways for each in of_class],
        "suspects": [each.to_dict() for each in found.suspects],
        "confused": [each.facts() for each in found.confused],
    }
