"""A job in a folder: its manifest, its settings, and the shards that are done."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch

from explanans.deploy.batch.changes import Changes, Told
from explanans.deploy.batch.coco_file import PART, WHOLE, join_coco
from explanans.deploy.batch.decoding import Loaded, load_shards
from explanans.deploy.batch.job_options import Options
from explanans.deploy.batch.job_record import JOB, RECORD
from explanans.deploy.batch.manifest import STAMP, Manifest, renew_manifest, write_manifest
from explanans.deploy.batch.places import Place, place_of
from explanans.deploy.batch.shards import FILES, IMAGES
from explanans.errors import InputError
from explanans.explanations.batch import Masker
from explanans.images.preprocessing import Preprocessing
from explanans.utils.records import Kind, open_parquet, read_json, reading, write_json
from explanans.utils.run_folder import as_json, check_same

MANIFEST, DONE = "manifest.parquet", "images.parquet"
PICTURES = Kind("pictures of a shard", "delete the shard's folder, and repeat the command to make it again")
SHARD_SIZE = 1000
SHARDS_PER_FOLDER = 1000


@dataclass
class Outcome:
    """What became of a job: pictures in all, those of earlier runs, and those that failed with the reason."""

    pictures: int
    earlier: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


class Job:
    """The pictures and the settings of a folder, for every run that goes on with it.

    ``job.json`` has the settings, ``manifest.parquet`` the pictures, ``0000/0000012/`` the files of shard 12. A folder
    holds at most 1,000 shards. A shard's folder is there as a whole or not at all; in object storage it counts from the
    moment at which its ``images.parquet`` is there.

    Args:
        place: where it is written.
        home: a folder of this machine with its settings and its pictures.
    """

    def __init__(self, place: Place, home: Path) -> None:
        self.place, self.home = place, home
        self.manifest = Manifest(home / MANIFEST)
        self.settings = read_json(home / JOB, RECORD)["settings"]
        self.shard_size = self.settings["shard_size"]
        with reading(home / JOB, RECORD):
            self.options = Options(**self.settings["options"])

    @classmethod
    @contextmanager
    def opened(cls, out: str | Path) -> Iterator[Job]:
        """One that another process has begun, for the block."""
        place = place_of(out)
        with place.opened(MANIFEST, JOB) as home:
            yield cls(place, home)

    @classmethod
    @contextmanager
    def claimed(
        cls,
        out: str | Path,
        masker: Masker,
        images: Iterable[str | Path],
        options: Options,
        shard_size: int = SHARD_SIZE,
        threads: int | None = None,
        told: Told | None = None,
    ) -> Iterator[Job]:
        """Begin a job in a new folder, or go on with the one that is there; it is kept to this process in the block.

        Args:
            out, masker, images, options, shard_size, told: as for :func:`explain_shards`.
            threads: of a new job whose options leave them open; None for PyTorch's own number.

        Raises:
            InputError: the folder holds something else, a job with other settings or one that another process is at,
                or there is no picture.
        """
        place = place_of(out)
        # A manifest without settings is what an interrupted listing left.
        with place.claimed(JOB, RECORD, remains=(MANIFEST,)) as (home, earlier):
            before = None if earlier is None else earlier["settings"]
            changes = cls._settle(
                home / JOB, before, masker, images, options, shard_size, threads or torch.get_num_threads()
            )
            for name in (MANIFEST, JOB):
                place.keep(name)
            if changes and told is not None:
                told(changes)
            yield cls(place, home)

    @staticmethod
    def _settle(
        record: Path,
        earlier: Mapping[str, Any] | None,
        masker: Masker,
        images: Iterable[str | Path],
        options: Options,
        shard_size: int,
        threads: int,
    ) -> Changes:
        """Write down what the job is, or check that it is the same and list its pictures again."""
        if shard_size < 1:
            raise InputError(f"shard_size={shard_size} must be at least 1.")
        if options.threads is None:
            options = dataclasses.replace(options, threads=earlier["options"].get("threads") if earlier else threads)
        arguments = [str(each) for each in images]
        settings = as_json(
            {
                **masker.identity(),
                "images": arguments,
                "shard_size": shard_size,
                "options": dataclasses.asdict(options),
            }
        )
        if earlier is not None:
            check_same(record, RECORD, earlier, settings)
            return renew_manifest(record.with_name(MANIFEST), arguments, shard_size)
        write_manifest(record.with_name(MANIFEST), arguments, shard_size)
        write_json(record, RECORD, {"settings": settings, "classes": list(masker.explanandum.classes)})
        return Changes()

    def folder(self, shard: int) -> str:
        return f"{shard // SHARDS_PER_FOLDER:04d}/{shard:07d}"

    def is_done(self, shard: int) -> bool:
        """Whether every file of the shard is there, and was made from the pictures as they are now."""
        return self._is_made(shard, self._made(shard))

    def _is_made(self, shard: int, made: pa.Table | None) -> bool:
        if made is None:
            return False
        wanted, have = self.manifest.stamps(shard), made.select(STAMP)
        # Pictures that are gone since leave a shard that has more than it needs.
        return wanted.equals(have) or _counted(wanted) <= _counted(have)

    def left(self) -> list[int]:
        shards = [shard for shard in range(self.manifest.shards) if self.manifest.size(shard)]
        return [
            shard
            for shard, made in zip(shards, self.place.map(self._made, shards), strict=True)
            if not self._is_made(shard, made)
        ]

    def _made(self, shard: int) -> pa.Table | None:
        """What ``images.parquet`` of a shard says of each picture; None where a file of the shard is not as it was."""
        folder = self.folder(shard)
        have = self.place.sizes(folder)
        if DONE not in have:
            return None
        with self.place.fetched(f"{folder}/{DONE}") as path:
            try:
                with open_parquet(path, PICTURES, IMAGES) as file, reading(path, PICTURES):
                    sizes = dict(json.loads(file.schema_arrow.metadata[FILES]))
                    table = file.read([*STAMP, "failure"])
            except InputError:
                return None
        whole = all(have.get(name) == size for name, size in sizes.items())
        return table if whole else None

    def first(self, shard: int) -> int:
        """Number of the first picture of a shard."""
        return shard * self.shard_size

    def loaded(
        self,
        shards: Sequence[int],
        preprocessing: Preprocessing,
        workers: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[tuple[int, Iterator[Loaded]]]:
        """Shard by shard its batches, read and resized.

        Args:
            workers: processes that read and decode; 0 does it in this one.
            progress: is told (pictures done, pictures in all) after every batch; those of all other shards are done.
        """
        done = self.manifest.pictures - sum(self.manifest.size(shard) for shard in shards)

        def told(batches: Iterable[Loaded]) -> Iterator[Loaded]:
            nonlocal done
            for batch in batches:
                yield batch
                done += len(batch.items)
                if progress is not None:
                    progress(done, self.manifest.pictures)

        batches = load_shards(self.manifest, shards, preprocessing, self.options.batch_size, workers)
        return groupby(told(batches), lambda batch: batch.shard)

    def write(self, shard: int, files: dict[str, bytes]) -> None:
        """The files of a shard, ``images.parquet`` last."""
        self.place.write(self.folder(shard), files)

    def finish(self) -> None:
        """What is written of a whole job, once its shards are done."""
        if self.options.format == "coco":
            shards = [n for n in range(self.manifest.shards) if PART in self.place.sizes(self.folder(n))]
            parts = [(f"{self.folder(n)}/{PART}", set(self.manifest.stamps(n)["source"].to_pylist())) for n in shards]
            join_coco(parts, self.home / WHOLE, self.settings["images"], self.place.fetched)
            self.place.keep(WHOLE)

    def failures(self) -> list[tuple[str, str]]:
        """(source, reason) of every picture that failed, in the shards that are done."""
        found: list[tuple[str, str]] = []
        for shard, table in enumerate(self.place.map(self._made, range(self.manifest.shards))):
            if table is not None:
                bad = table.filter(pc.not_equal(table["failure"], ""))
                there = set(self.manifest.stamps(shard)["source"].to_pylist()) if len(bad) else set()
                rows = zip(bad["source"].to_pylist(), bad["failure"].to_pylist(), strict=True)
                found += [(source, reason) for source, reason in rows if source in there]
        return found


def _counted(stamps: pa.Table) -> Counter[tuple[Any, ...]]:
    return Counter(zip(*(stamps[name].to_pylist() for name in STAMP), strict=True))
