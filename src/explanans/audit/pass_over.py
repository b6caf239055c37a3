"""One pass over the photos: the batch job explains them, shard by shard, and each shard is looked at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from explanans.audit.audit_settings import Settings
from explanans.audit.audited_photos import Photos
from explanans.audit.features import Embedder
from explanans.audit.looked import is_made_from, write_part
from explanans.audit.looking import Shard, look, made_from
from explanans.deploy.batch import Job, Options, explain_shards
from explanans.deploy.batch.cluster import explain_on_cluster
from explanans.deploy.batch.encode import parquet
from explanans.deploy.batch.places import place_of
from explanans.explainers.named import Named
from explanans.explanations.batch import Masker
from explanans.explanations.selection import Selection
from explanans.utils.files import atomic_file

LIST, EXPLAINED, LOOKED = "photos-list.parquet", "explained", "looked"

Told = Callable[[int, int], None]
"""(photos done, of how many)."""


@dataclass(frozen=True)
class Spread:
    """Photos are explained on a Ray cluster, see :func:`explanans.deploy.batch.cluster.explain_on_cluster`.

    Attributes:
        who: the audit's masker, by a name that every machine can read.
        actors: copies of it.
        gpus: of each of them.
    """

    who: Named
    actors: int = 1
    gpus: float = 0


def seen_by(masker: Masker) -> Selection:
    """What counts as seen: probability ½ and more, or with softmax the most probable class."""
    return Selection() if masker.explanandum.activation == "sigmoid" else Selection(top_k=1)


def options_for(masker: Masker, batch_size: int, threads: int | None = None) -> Options:
    """How the batch job explains: run lengths at the input's size, with receipts."""
    chosen = seen_by(masker)
    return Options(top_k=chosen.top_k, receipts=True, batch_size=batch_size, threads=threads)


def write_list(photos: Photos, out: Path) -> Path:
    """The photos' files, in the order of the data, as a table that the batch job reads."""
    rows = [{"path": str(path.resolve())} for path in photos.data.paths]
    content = parquet(rows, pa.schema([("path", pa.string())]))
    with atomic_file(out / LIST) as temporary:
        temporary.write_bytes(content)
    return out / LIST


def explain_photos(
    masker: Masker,
    photos: Photos,
    out: Path,
    settings: Settings,
    *,
    workers: int,
    spread: Spread | None = None,
    told: Told | None = None,
) -> list[tuple[str, str]]:
    """Masks and receipts of all photos below ``out``, those that are missing; the photos that failed, with reasons.

    Masks are those of the masker's :meth:`~explanans.explanations.batch.Masker.whole_evidence`.
    """
    listed, explained = [write_list(photos, out)], out / EXPLAINED
    options = options_for(masker, settings.batch_size)
    size = settings.shard_size
    if spread is None:
        whole = masker.whole_evidence()
        return explain_shards(whole, listed, explained, options, shard_size=size, workers=workers, progress=told).failed
    return explain_on_cluster(
        replace(spread.who, whole_evidence=True),
        listed,
        explained,
        options,
        shard_size=size,
        actors=spread.actors,
        gpus=spread.gpus,
    ).failed


def job_in(out: Path) -> Job:
    """The batch job of an audit that is done."""
    explained = out / EXPLAINED
    return Job(place_of(explained), explained)


def part_paths(out: Path) -> list[Path]:
    """The parts that were looked at, in order."""
    return sorted((out / LOOKED).glob("*.parquet"))


def look_at_all(masker: Masker, photos: Photos, out: Path, *, workers: int, told: Told | None = None) -> list[Path]:
    """Look at every shard that was not looked at since it was made; the parts, in order."""
    job = job_in(out)
    paths = {number: out / LOOKED / f"{number:07d}.parquet" for number in range(job.manifest.shards)}
    left = [
        number for number, path in paths.items() if not is_made_from(path, made_from(job.home / job.folder(number)))
    ]
    embedder = Embedder(masker.explanandum, job.options.batch_size)
    with job.options.on_threads():
        for number, batches in job.loaded(left, masker.explanandum.preprocessing, workers, told):
            shard = Shard(job.home / job.folder(number))
            table = look(shard, batches, job.first(number), photos, embedder)
            write_part(paths[number], table, shard.made_from)
    return list(paths.values())
