"""Fetch COCO-2014 from its official server, check it and unpack it; write the lists of the splits.

20 GB of archives, and as much again unpacked. A download that was stopped goes on with the same command. Without a
network the message says which file to put where; the same command then checks and unpacks it. The archives may be
deleted afterwards. splits/NAME.txt beside the pictures gets the numbers of the images of each split that can be made.
"""

from __future__ import annotations

from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.data.datasets.coco.lists import write_lists
from explanans.data.download.published import install, installed_as
from explanans.utils.paths import user_path

PARTS = (Part(install, names={"parts": "part"}, without=("data", "progress"), optional="folder"),)


def run(given: Given, lists_only: bool = False) -> int:
    """Fetch and list.

    Args:
        lists_only: fetch nothing; write the lists for the COCO in FOLDER, which holds annotations.
    """
    folder = given["folder"]
    if lists_only:
        place, name = user_path(folder or ".", "folder"), f"coco:{folder or '.'}"
    else:
        place, name = given.call(install, "coco:2014", progress=not given["quiet"]), installed_as("coco:2014", folder)
    # Pictures alone can be fetched too, and make no lists.
    lists = write_lists(place) if lists_only or (place / "annotations").is_dir() else {}
    if not lists:
        say("no lists yet: the part annotations is missing")
    for list_name, count in lists.items():
        say(f"{list_name}: {count:,} images, listed in {place / 'splits' / list_name}.txt")
    say(f"COCO-2014 is in {place}; use it as {name}")
    return 0
