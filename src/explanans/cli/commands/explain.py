"""Explain pictures: for each class that the classifier sees, a mask of the pixels that speak for it, and a receipt.

Needs no training: the maps of an attribution method are cut into masks by asking the classifier. A trained Explainer
predicts its masks instead, better and in one pass.

The receipt says what the classifier makes of the picture through the mask: "kept" is the probability of the class on
what the mask keeps (good: near the whole picture's), "removed" that on the rest (good: near 0), "area" the share of
the pixels kept. A word sums it up: the mask "holds", is "weak", "fills the frame", is "empty" or "shared with" another
class. A picture that cannot be read is reported in the end, and the exit status is then 1. Repeat the command after an
interruption: finished pictures are skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from explanans.classifiers.class_names import read_classes
from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.deploy.batch import INDEX, Done, Options, explain_many
from explanans.deploy.batch.changes import Changes
from explanans.deploy.batch.folders import threads_of
from explanans.deploy.batch.job_record import format_of
from explanans.errors import InputError
from explanans.explainers.named import Named
from explanans.explanations.asking import Asking
from explanans.explanations.batch import Masker, Settings
from explanans.explanations.by_method import ByMethod
from explanans.explanations.region import RegionSettings
from explanans.explanations.tiles import Tiling
from explanans.images.listing import is_container, list_files
from explanans.utils.devices import choose_device
from explanans.utils.object_storage import shown_address
from explanans.utils.paths import local_path
from explanans.utils.tables import aligned
from explanans.utils.threads import Load, free_cores, is_fixed

SHOWN = 40
MOST_FAILURES = 100
# Up to so many pictures a folder for each is pleasant.
FEW = 500


PARTS = (
    Part(Named, names={"name": "who", "classes": "class_names"}, defaults={"batch_size": 8}),
    Part(Tiling, names={"size": "tile"}, defaults={"tile": None}),
    Part(RegionSettings, names={"smallest": "smallest_region", "receipts": "region_receipts"}),
)


def run(
    given: Given,
    images: list[str],
    out: str = "explanations",
    format: Literal["folders", "parquet", "coco", "png"] | None = None,
    classes: str | None = None,
    top_k: int | None = None,
    threshold: float | None = None,
    mask_threshold: float = 0.5,
    size: Literal["input", "photo"] = "input",
    shard_size: int = 1000,
    workers: int = 1,
    threads: int | None = None,
    ray: bool = False,
    actors: int = 1,
    gpus: float = 0,
    device: str = "auto",
    receipts: bool = True,
    regions: bool = False,
    tile: int | None = None,
) -> int:
    """Explain them.

    Args:
        images: files, folders (searched to the bottom), quoted patterns such as 'photos/*.jpg', tables (.csv, .parquet
            with a column image, path or bytes), archives (.zip, .tar, .tar.gz), URIs such as s3://bucket/folder.
        out: where to write: a folder, or for shards also an address such as s3://bucket/masks.
        format: folders (one for each picture, to look at), or for many pictures shards with masks as parquet (run
            lengths in tables), coco (COCO's JSON) or png; null for folders up to 500 pictures, else parquet.
        classes: classes to explain: names separated by commas, or a file; null for those the classifier sees.
        top_k: explain this many of the most probable classes instead.
        threshold: a class is seen from this probability on, in [0, 1]; null for 0.5, or with softmax for the most
            probable class and up to two others from 0.1 on.
        mask_threshold: a pixel is inside the mask from this value on, in (0, 1].
        size: of masks in shards: input (the classifier's input) or photo (each photo's own).
        shard_size: pictures per shard.
        workers: processes that read and decode pictures for shards.
        threads: of a processor for the networks; null for no more than cores are free, with shards for PyTorch's own
            number, and for one on a cluster. A run that goes on has those of its first.
        ray: make the shards on the Ray cluster that RAY_ADDRESS names, or on one of this machine.
        actors: copies of the Explainer on the cluster.
        gpus: of each of them.
        device: auto, cpu, cuda, cuda:1, mps.
        receipts: make receipts; without them it is several times as fast.
        regions: make regions of the masks, with area, length, width and a receipt each: regions.json and regions.png
            for each picture, regions.csv, regions.parquet and regions.coco.json for all.
        tile: explain pictures in overlapping tiles of so many of their pixels, each as a picture of its own, and blend
            the masks; null for whole pictures.
    """
    named = given.call(Named)
    tiling = None if tile is None else given.call(Tiling)
    if tiling is None and (given["overlap"], given["merge"]) != (Tiling.overlap, Tiling.merge):
        raise InputError("overlap and merge say how tiles are made, which are not asked for; add --tile 224.")
    cut = given.call(RegionSettings)
    if not regions and cut != RegionSettings():
        given_ones = [name for name, value in cut.to_dict().items() if value != getattr(RegionSettings(), name)]
        words = ", ".join(PARTS[2].names.get(name, name) for name in given_ones)
        raise InputError(f"{words}: how regions are made, but they are not asked for; add --regions.")
    chosen: dict[str, Any] = {
        "classes": None if classes is None else list(read_classes(classes)),
        "top_k": top_k,
        "threshold": threshold,
        "mask_threshold": mask_threshold,
        "receipts": receipts,
    }
    kind = format or _usual_format(images, out, ray)
    shards = "parquet" if kind == "folders" else kind
    options = Options(format=shards, size=size, batch_size=named.batch_size, threads=threads, **chosen)
    if kind != "folders" and (regions or tile is not None):
        what = "regions are" if regions else "tiles are"
        raise InputError(f"format={kind}: {what} made with a folder for each picture; add --format folders.")
    if kind == "folders":
        if ray:
            raise InputError(
                "format=folders is for a few pictures on this machine; take parquet, coco or png with --ray."
            )
        if local_path(out) is None:
            raise InputError(
                f"format=folders is written to this machine, not into {shown_address(out)}; take parquet, coco or png "
                "there, or name a folder."
            )
        pictures = list_files(images)
        begun = threads_of(out)
        if threads and begun and begun != threads:
            say(
                f"threads: {out} was begun with {begun}, and goes on with them; name a new folder for {threads}.",
                sys.stderr,
            )
        with _on_free_cores(threads) as masker_is_loaded:
            masker = _loaded(named, device)
            masker_is_loaded()
            parts = {"regions": cut if regions else None, "tiling": tiling}
            return _in_folders(masker, pictures, out, options.settings, parts, given["quiet"])
    if ray:
        from explanans.deploy.batch.cluster import explain_on_cluster

        outcome = explain_on_cluster(
            named,
            images,
            out,
            options,
            shard_size=shard_size,
            actors=actors,
            gpus=gpus,
            told=_say_changes,
        )
    else:
        from explanans.deploy.batch import explain_shards

        masker = _loaded(named, device)
        with _asking(masker, None, options.settings, given["quiet"]) as asking:
            outcome = explain_shards(
                masker,
                images,
                out,
                options,
                shard_size=shard_size,
                workers=workers,
                progress=asking.reached,
                told=_say_changes,
            )
    good = outcome.pictures - len(outcome.failed)
    say(f"{good:,} of {outcome.pictures:,} explained ({outcome.earlier:,} earlier), in {shown_address(out)}")
    return _report_failures(outcome.failed)


@contextmanager
def _on_free_cores(threads: int | None) -> Iterator[Callable[[], None]]:
    """Inside, PyTorch has one thread until the block calls, then as many as cores were free meanwhile, or ``threads``.

    Two threads on one free core wait for each other: a figure that takes 3 seconds would take 30.
    """
    before, load = torch.get_num_threads(), Load()

    def choose() -> None:
        torch.set_num_threads(threads or min(before, free_cores(load)))

    try:
        if not is_fixed():
            torch.set_num_threads(1)
        yield choose if threads or not is_fixed() else lambda: None
    finally:
        torch.set_num_threads(before)


def _loaded(named: Named, device: str) -> Masker:
    masker = named.load().to(choose_device(device))
    if isinstance(masker, ByMethod):
        say(f"method: {masker.name} ({masker.why})")
    return masker


def _usual_format(images: Sequence[str], out: str, ray: bool) -> Any:
    """What a job was begun with, or what suits the number of pictures."""
    if (begun := format_of(out)) is not None:
        return begun
    if ray or local_path(out) is None or any(map(is_container, images)):
        return "parquet"
    return "folders" if len(list_files(images)) <= FEW else "parquet"


def _in_folders(
    masker: Masker,
    pictures: Sequence[Path],
    out: str,
    settings: Settings,
    parts: dict[str, Any],
    quiet: bool,
) -> int:
    with _asking(masker, len(pictures), settings, quiet, tiles=parts["tiling"] is not None) as asking:
        results = explain_many(
            masker,
            pictures,
            out,
            settings,
            **parts,
            progress=lambda done: asking.reached(asking.done + 1),
            told=_say_changes,
        )
    failed = [(done.source, done.failure) for done in results if done.failure is not None]
    say(_table(results, out))
    skipped = sum(done.skipped for done in results)
    say(f"\n{len(results) - len(failed)} of {len(results)} explained ({skipped} earlier), in {out}")
    return _report_failures(failed)


def _say_changes(changes: Changes) -> None:
    print(f"since the last run: {changes}", file=sys.stderr)


def _report_failures(failed: Sequence[tuple[str, str]]) -> int:
    for source, reason in failed[:MOST_FAILURES]:
        say(f"failed: {source}: {reason}", sys.stderr)
    if len(failed) > MOST_FAILURES:
        say(f"… and {len(failed) - MOST_FAILURES:,} more, in the shards' images.parquet", sys.stderr)
    return 1 if failed else 0


def _table(results: Sequence[Done], out: str) -> str:
    rows = []
    good = [done for done in results if done.failure is None]
    for done in good[:SHOWN]:
        rows += [[done.source, each["name"], *_figures(each)] for each in done.classes]
        if not done.classes:
            rows.append([done.source, "no class", *[""] * 5])
    table = aligned(["picture", "class", "probability", "kept", "removed", "area", "the mask"], rows)
    more = len(good) - SHOWN
    return table if more <= 0 else f"{table}\n… and {more} more in {out}/{INDEX}"


def _figures(found: Any) -> list[str]:
    receipt = found["receipt"]
    figures = [f"{found['probability']:.2f}"]
    if receipt is None:
        return [*figures, "", "", "", ""]
    figures += [f"{receipt['kept']:.2f}", f"{receipt['removed']:.2f}", f"{receipt['area']:.0%}"]
    # What an earlier version wrote has no word.
    return [*figures, receipt.get("word", "")]


def _asking(masker: Masker, pictures: int | None, settings: Settings, quiet: bool, *, tiles: bool = False) -> Asking:
    requested = settings.selection.requested(masker.explanandum, 1)
    return Asking(masker, pictures, settings, requested, tiles=tiles, show=not quiet)
