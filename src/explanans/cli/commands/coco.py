"""Fetch COCO-2014 from its official server, check it and unpack it; write the lists of the splits.

20 GB of archives, and as much again unpacked. A download that was stopped goes on with the same command. Without a
network the message says which file to put where; the same command then checks and unpacks it. The archives may be
deleted afterwards. splits/NAME.txt beside the pictures gets the numbers of the images of each split that can be made.
"""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from explanans.cli.options import add_function, comma_list
from explanans.data.datasets.coco.lists import write_lists
from explanans.data.download.published import install, installed_as


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, coco, optional="folder")


def coco(folder: str | None = None, part: str | None = None, lists_only: bool = False, quiet: bool = False) -> int:
    """Parse and call.

    Args:
        folder: Where to; left out, the folder that coco:2014 looks in ($EXPLANANS_DATA, or ~/.cache/explanans/data).
        part: Some of annotations, train and val, separated by commas; null for all.
        lists_only: Fetch nothing; write the lists for the COCO in FOLDER, which holds annotations.
        quiet: Print nothing, show no progress.
    """
    if lists_only:
        place, name = Path(folder or ".").expanduser(), f"coco:{folder or '.'}"
    else:
        parts = comma_list(part)
        place, name = install("coco:2014", folder, parts=parts, progress=not quiet), installed_as("coco:2014", folder)
    # Pictures alone can be fetched too, and make no lists.
    lists = write_lists(place) if lists_only or (place / "annotations").is_dir() else {}
    if not quiet:
        if not lists:
            print("no lists yet: the part annotations is missing")
        for list_name, count in lists.items():
            print(f"{list_name}: {count:,} images, listed in {place / 'splits' / list_name}.txt")
        print(f"COCO-2014 is in {place}; use it as {name}")
    return 0


run = coco
