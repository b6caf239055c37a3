"""The shards of a job on a cluster, through Ray Data: the same files as on one machine, byte for byte.

A job (:class:`explanans.deploy.batch.Job`) is claimed once, in a folder that all machines reach. Its shards are the
rows of a Ray data set; actors that hold the networks take them one by one, on processors or GPUs. A shard's files
follow from the manifest and the settings alone, so it does not matter who makes them, or how often: where an actor or a
machine is lost, Ray gives its shard to another.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from explanans.deploy.batch.changes import Told
from explanans.deploy.batch.decoding import load_shards
from explanans.deploy.batch.job import SHARD_SIZE, Job, Outcome
from explanans.deploy.batch.job_options import Options
from explanans.deploy.batch.shards import Explaining, explain_shard
from explanans.errors import InputError
from explanans.explainers.named import Named


def explain_on_cluster(
    who: Named,
    images: Iterable[str | Path],
    out: str | Path,
    options: Options | None = None,
    *,
    shard_size: int = SHARD_SIZE,
    actors: int | tuple[int, int] = 1,
    gpus: float = 0,
    cpus: float | None = None,
    told: Told | None = None,
) -> Outcome:
    """Explain pictures with a pool of actors; a second call with the same arguments does what is missing.

    Connects to the cluster that ``ray.init`` or ``RAY_ADDRESS`` names, else starts one on this machine.

    Args:
        who: an Explainer or a classifier by a name that every machine can read.
        images: as for :func:`explanans.deploy.batch.explain_shards`; paths and URIs that every machine can read.
        out: a folder that every machine can write, such as a network drive, or an address in object storage.
        options, shard_size, told: as there, but with one thread unless ``options.threads`` or ``cpus`` says otherwise.
            One machine with as many threads writes the same bytes.
        actors: how many, or the least and the most.
        gpus, cpus: of each actor; with ``gpus`` above 0 it computes on CUDA. ``cpus`` are the threads where None.

    Raises:
        InputError: Ray is not installed, or as on one machine.
    """
    ray = _ray()
    usual = max(1, int(cpus or 1))
    with Job.claimed(out, who.load(), images, options or Options(), shard_size, threads=usual, told=told) as job:
        processors = cpus if cpus is not None else job.options.threads or usual
        return _explain_left(ray, job, who, actors, gpus, processors)


def _explain_left(ray: Any, job: Job, who: Named, actors: int | tuple[int, int], gpus: float, cpus: float) -> Outcome:
    left = job.left()
    earlier = job.manifest.pictures - sum(job.manifest.size(shard) for shard in left)
    if left:
        # Actors that are lost are replaced, and their shards given to others, unasked; with this those of errors too.
        context = ray.data.DataContext.get_current()
        context.actor_task_retry_on_errors = True
        shards = ray.data.from_items([{"shard": shard} for shard in left], override_num_blocks=len(left))
        made = shards.map_batches(
            ShardActor,
            fn_constructor_args=(who, job.place.address, gpus > 0),
            batch_size=1,
            concurrency=actors,
            num_gpus=gpus or None,
            num_cpus=cpus,
        )
        for _ in made.iter_rows():
            pass
    job.finish()
    return Outcome(job.manifest.pictures, earlier, job.failures())


class ShardActor:
    """Holds who explains and makes shards."""

    def __init__(self, who: Named, out: str, cuda: bool) -> None:
        # For as long as the actor lives.
        self._opened = ExitStack()
        self.job = self._opened.enter_context(Job.opened(out))
        masker = who.load().to(torch.device("cuda" if cuda else "cpu"))
        self.explaining = Explaining(masker, self.job.options)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        for number in batch["shard"].tolist():
            if not self.job.is_done(number):
                preprocessing = self.explaining.masker.explanandum.preprocessing
                size = self.explaining.options.batch_size
                loaded = load_shards(self.job.manifest, [number], preprocessing, size, workers=0)
                with self.job.options.on_threads():
                    found = explain_shard(self.explaining, loaded, self.job.first(number))
                self.job.write(number, self.explaining.files(found))
        return batch


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise InputError("a cluster needs ray, which is not installed: pip install 'explanans[ray]'.") from error
    return ray
