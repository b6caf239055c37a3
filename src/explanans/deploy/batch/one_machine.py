"""The shards of a job on one machine, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from explanans.deploy.batch.changes import Told
from explanans.deploy.batch.job import SHARD_SIZE, Job, Outcome
from explanans.deploy.batch.job_options import Options
from explanans.deploy.batch.shards import Explaining, explain_shard
from explanans.explanations.batch import Masker


def explain_shards(
    masker: Masker,
    images: Iterable[str | Path],
    out: str | Path,
    options: Options | None = None,
    *,
    shard_size: int = SHARD_SIZE,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    told: Told | None = None,
) -> Outcome:
    """Explain any number of pictures into shards; the results of one shard are in memory.

    Whatever stops the run, the next one with the same arguments does the shards that are missing and ends in the same
    bytes. A picture that cannot be read is recorded with the reason and stops nothing.

    Args:
        masker: a trained Explainer (:meth:`~explanans.Explainer.folded` is quicker), or a method of a classifier.
        images: files, folders, patterns, tables (.csv, .parquet), archives (.zip, .tar, .tar.gz), URIs.
        out: a new folder, or that of an earlier run with the same arguments; or an address in object storage, such as
            s3://bucket/masks.
        options: what is written.
        shard_size: pictures per shard.
        workers: processes that read and decode; 0 does it in this one.
        progress: is told (pictures done, pictures in all) after every batch.
        told: is told before any work which pictures were added, changed or are gone since an earlier run. Those that
            were added come last; shards with pictures that changed are made again; what was made of those that are
            gone stays, and is made no more.

    Raises:
        InputError: nothing to explain, ``out`` belongs to another job, another process is writing into it, or object
            storage knows no such bucket or denies permission.
        OSError: the disk is full or not writable, or object storage does not answer. Finished shards stay.
    """
    chosen = options or Options()
    with (
        Job.claimed(out, masker, images, chosen, shard_size, told=told) as job,
        job.options.on_threads(),
        Explaining(masker.eval(), job.options) as explaining,
    ):
        return _explain_left(job, explaining, workers, progress)


def _explain_left(
    job: Job, explaining: Explaining, workers: int, progress: Callable[[int, int], None] | None
) -> Outcome:
    left = job.left()
    done = job.manifest.pictures - sum(job.manifest.size(shard) for shard in left)
    outcome = Outcome(job.manifest.pictures, done)
    if progress is not None:
        progress(done, job.manifest.pictures)
    preprocessing = explaining.masker.explanandum.preprocessing
    for shard, batches in job.loaded(left, preprocessing, workers, progress):
        found = explain_shard(explaining, batches, job.first(shard))
        job.write(shard, explaining.files(found))
    job.finish()
    outcome.failed = job.failures()
    return outcome
