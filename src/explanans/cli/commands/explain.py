"""Explain pictures: for each class that the classifier sees, a mask of the pixels that speak for it, and a receipt.

Needs no training: the maps of an attribution method are cut into masks by asking the classifier. A trained Explainer
predicts its masks instead, better and in one pass.

The receipt says what the classifier makes of the picture through the mask: "kept" is the probability of the class on
what the mask keeps (good: near the whole picture's), "removed" that on the rest (good: near 0), "area" the share of
the pixels kept. A picture that cannot be read is reported in the end, and the exit status is then 1. Repeat the command
after an interruption: finished pictures are skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from explanans.classifiers.explanandum import read_classes
from explanans.cli.options import add_function, class_list
from explanans.deploy.batch import INDEX, Done, Options, explain_many, explain_shards
from explanans.deploy.batch.changes import Changes
from explanans.deploy.batch.job import JOB, settings_of
from explanans.errors import InputError
from explanans.explainers.named import Named
from explanans.explanations.batch import Masker, Settings
from explanans.explanations.by_method import ByMethod
from explanans.explanations.choice import CALLS
from explanans.images.listing import is_container, list_files
from explanans.images.preprocessing import Preprocessing
from explanans.utils.devices import choose_device
from explanans.utils.tables import aligned

SHOWN = 40
MOST_FAILURES = 100
# Up to so many pictures a folder for each is pleasant.
FEW = 500


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, explain)


def explain(
    who: str,
    images: list[str],
    out: str = "explanations",
    format: Literal["folders", "parquet", "coco", "png"] | None = None,
    method: str | None = None,
    method_options: dict[str, Any] | None = None,
    calls: int = CALLS,
    classes: str | None = None,
    top_k: int | None = None,
    threshold: float | None = None,
    mask_threshold: float = 0.5,
    size: Literal["input", "photo"] = "input",
    batch_size: int = 8,
    shard_size: int = 1000,
    workers: int = 1,
    threads: int | None = None,
    ray: bool = False,
    actors: int = 1,
    gpus: float = 0,
    device: str = "auto",
    receipts: bool = True,
    class_names: str | None = None,
    activation: Literal["sigmoid", "softmax"] | None = None,
    preprocessing: Preprocessing | None = None,
    weights: str | None = None,
    trust_factory: bool = False,
    quiet: bool = False,
) -> int:
    """Parse and call.

    Args:
        who: A classifier: timm:NAME, torchvision:NAME, hf:NAME, onnx:FILE, a saved folder, … (docs/classifiers.md).
            Or a trained Explainer: its folder, or its name on the Hugging Face hub.
        images: Files, folders (searched to the bottom), quoted patterns such as 'photos/*.jpg', tables (.csv, .parquet
            with a column image, path or bytes), archives (.zip, .tar, .tar.gz), URIs such as s3://bucket/folder.
        out: Where to write.
        format: folders (one for each picture, to look at), or for many pictures shards with masks as parquet (run
            lengths in tables), coco (COCO's JSON) or png; null for folders up to 500 pictures, else parquet.
        method: How a classifier is explained: spread_cam, grad_cam, rise, … (docs/methods.md); null for the best that
            it allows without training.
        method_options: Settings of the method, such as --method_options.layer layer3.
        calls: How often a classifier without gradients is asked for each picture.
        classes: Classes to explain: names separated by commas, or a file; null for those the classifier sees.
        top_k: Explain this many of the most probable classes instead.
        threshold: A class is seen from this probability on, in [0, 1]; null for 0.5, or with softmax for the most
            probable class and up to two others from 0.1 on.
        mask_threshold: A pixel is inside the mask from this value on, in (0, 1].
        size: Of masks in shards: input (the classifier's input) or photo (each photo's own).
        batch_size: Pictures per forward pass; less needs less memory.
        shard_size: Pictures per shard.
        workers: Processes that read and decode pictures for shards.
        threads: Of a processor for the networks, with shards; null for PyTorch's own number, and one on a cluster.
        ray: Make the shards on the Ray cluster that RAY_ADDRESS names, or on one of this machine.
        actors: Copies of the Explainer on the cluster.
        gpus: Of each of them.
        device: auto, cpu, cuda, cuda:1, mps.
        receipts: Make receipts; without them it is several times as fast.
        class_names: The classifier's classes where it does not know them: a file with one per line, or a,b,c.
        activation: sigmoid (multi-label) or softmax (single-label); null where the classifier knows.
        preprocessing: The classifier's input where it does not know it.
        weights: File with the classifier's weights; null for those that come with its name.
        trust_factory: Run code that comes with the saved classifier: a factory, a function, a program.
        quiet: Print nothing but what failed.
    """
    named = Named(
        who,
        method,
        method_options or {},
        calls,
        class_list(class_names),
        activation,
        preprocessing,
        weights,
        trust_factory,
        batch_size,
    )
    wanted = class_list(classes)
    chosen: dict[str, Any] = {
        "classes": None if wanted is None else list(read_classes(wanted)),
        "top_k": top_k,
        "threshold": threshold,
        "mask_threshold": mask_threshold,
        "receipts": receipts,
    }
    kind = format or _usual_format(images, out, ray)
    options = Options(
        format="parquet" if kind == "folders" else kind, size=size, batch_size=batch_size, threads=threads, **chosen
    )
    if kind == "folders":
        if ray:
            raise InputError(
                "format=folders is for a few pictures on this machine; take parquet, coco or png with --ray."
            )
        return _in_folders(_loaded(named, device, quiet), list_files(images), out, options.settings, quiet)
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
        masker = _loaded(named, device, quiet)
        with _bar(quiet) as (bar, task):
            outcome = explain_shards(
                masker,
                images,
                out,
                options,
                shard_size=shard_size,
                workers=workers,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
                told=_say_changes,
            )
    good = outcome.pictures - len(outcome.failed)
    if not quiet:
        print(f"{good:,} of {outcome.pictures:,} explained ({outcome.earlier:,} earlier), in {out}")
    return _report_failures(outcome.failed)


run = explain


def _loaded(named: Named, device: str, quiet: bool) -> Masker:
    masker = named.load().to(choose_device(device))
    if isinstance(masker, ByMethod) and not quiet:
        print(f"method: {masker.name} ({masker.why})")
    return masker


def _usual_format(images: Sequence[str], out: str, ray: bool) -> Any:
    """What a job was begun with, or what suits the number of pictures."""
    if (Path(out) / JOB).is_file():
        return settings_of(out)["options"]["format"]
    if ray or any(map(is_container, images)):
        return "parquet"
    return "folders" if len(list_files(images)) <= FEW else "parquet"


def _in_folders(masker: Masker, pictures: Sequence[Path], out: str, settings: Settings, quiet: bool) -> int:
    with _bar(quiet, len(pictures)) as (bar, task):
        results = explain_many(
            masker, pictures, out, settings, progress=lambda done: bar.advance(task), told=_say_changes
        )
    failed = [(done.source, done.failure) for done in results if done.failure is not None]
    if not quiet:
        print(_table(results, out))
        skipped = sum(done.skipped for done in results)
        print(f"\n{len(results) - len(failed)} of {len(results)} explained ({skipped} earlier), in {out}")
    return _report_failures(failed)


def _say_changes(changes: Changes) -> None:
    print(f"since the last run: {changes}", file=sys.stderr)


def _report_failures(failed: Sequence[tuple[str, str]]) -> int:
    for source, reason in failed[:MOST_FAILURES]:
        print(f"failed: {source}: {reason}", file=sys.stderr)
    if len(failed) > MOST_FAILURES:
        print(f"… and {len(failed) - MOST_FAILURES:,} more, in the shards' images.parquet", file=sys.stderr)
    return 1 if failed else 0


def _table(results: Sequence[Done], out: str) -> str:
    rows = []
    good = [done for done in results if done.failure is None]
    for done in good[:SHOWN]:
        rows += [[done.source, each["name"], *_figures(each)] for each in done.classes]
        if not done.classes:
            rows.append([done.source, "no class", *[""] * 4])
    table = aligned(["picture", "class", "probability", "kept", "removed", "area"], rows)
    more = len(good) - SHOWN
    return table if more <= 0 else f"{table}\n… and {more} more in {out}/{INDEX}"


def _figures(found: Any) -> list[str]:
    receipt = found["receipt"]
    figures = [f"{found['probability']:.2f}"]
    if receipt is None:
        return [*figures, "", "", ""]
    return [*figures, f"{receipt['kept']:.2f}", f"{receipt['removed']:.2f}", f"{receipt['area']:.0%}"]


@contextmanager
def _bar(quiet: bool, total: int | None = None) -> Iterator[tuple[Progress, TaskID]]:
    """A bar with the time left on standard error, if that is a terminal."""
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("Explaining"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        yield bar, bar.add_task("explaining", total=total)
