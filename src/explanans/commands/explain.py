"""Explain pictures: for each class that the classifier sees, a mask of the pixels that speak for it, and a receipt.

The receipt says what the classifier makes of the picture through the mask: "kept" is the probability of the class on
what the mask keeps (good: near the whole picture's), "removed" that on the rest (good: near 0), "area" the share of
the pixels kept. A picture that cannot be read is reported in the end, and the exit status is then 1. Repeat the command
after an interruption: finished pictures are skipped.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from explanans.commands.options import add_function, class_list
from explanans.devices import choose_device
from explanans.errors import InputError
from explanans.explainer import Explainer
from explanans.explanandum import read_classes
from explanans.many import INDEX, Done, explain_many, find_pictures
from explanans.tables import aligned

SHOWN = 40


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, explain)


def explain(
    explainer: str,
    images: list[str],
    out: str = "explanations",
    classes: str | None = None,
    top_k: int | None = None,
    threshold: float = 0.5,
    mask_threshold: float = 0.5,
    batch_size: int = 8,
    device: str = "auto",
    receipts: bool = True,
    trust_factory: bool = False,
    quiet: bool = False,
) -> int:
    """Parse and call.

    Args:
        explainer: Folder of a trained Explainer, or its name on the Hugging Face hub.
        images: Files, folders (searched to the bottom) or quoted patterns such as 'photos/*.jpg'.
        out: Where to write: a folder for each picture, and index.json.
        classes: Classes to explain: names separated by commas, or a file; null for those the classifier sees.
        top_k: Explain this many of the most probable classes instead.
        threshold: A class is seen from this probability on, in [0, 1].
        mask_threshold: A pixel is inside the mask from this value on, in (0, 1].
        batch_size: Pictures per forward pass; less needs less memory.
        device: auto, cpu, cuda, cuda:1, mps.
        receipts: Make receipts; without them it is several times as fast.
        trust_factory: Run the code that the saved classifier names as its architecture.
        quiet: Print nothing but what failed.
    """
    # Anything else is a mistyped folder, which the hub would be asked about for half a minute.
    if not Path(explainer).is_dir() and not re.fullmatch(r"[\w.-]+/[\w.-]+", explainer):
        raise InputError(f"explainer: {explainer} is no folder; give one that 'explanans fit' saved, or OWNER/NAME.")
    pictures = find_pictures(images)
    wanted = class_list(classes)
    loaded = Explainer.from_pretrained(explainer, trust_factory=trust_factory).folded()
    loaded.to(choose_device(device))
    with _followed(len(pictures), quiet) as progress:
        results = explain_many(
            loaded,
            pictures,
            out,
            batch_size=batch_size,
            progress=progress,
            classes=None if wanted is None else list(read_classes(wanted)),
            top_k=top_k,
            threshold=threshold,
            mask_threshold=mask_threshold,
            receipts=receipts,
        )
    failed = [done for done in results if done.failure is not None]
    if not quiet:
        print(_table(results, out))
        skipped = sum(done.skipped for done in results)
        print(f"\n{len(results) - len(failed)} of {len(results)} explained ({skipped} earlier), in {out}")
    for done in failed:
        print(f"failed: {done.source}: {done.failure}", file=sys.stderr)
    return 1 if failed else 0


run = explain


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
def _followed(total: int, quiet: bool) -> Iterator[Any]:
    """A bar with the time left on standard error, if that is a terminal."""
    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("Explaining"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("explaining", total=total)
        yield lambda done: bar.advance(task)
