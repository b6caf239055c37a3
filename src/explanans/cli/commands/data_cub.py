"""Fetch Caltech-UCSD Birds-200-2011 and its segmentations from CaltechDATA, check and unpack them.

A download that was stopped goes on with the same command. Without a network the message says which file to put where;
the same command then checks and unpacks it. The archives may be deleted afterwards.
"""

from __future__ import annotations

from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.data.download.published import install, installed_as

PARTS = (Part(install, names={"parts": "part"}, without=("data", "progress"), optional="folder"),)


def run(given: Given) -> int:
    place = given.call(install, "cub:2011", progress=not given["quiet"])
    say(f"CUB-200-2011 is in {place}; use it as {installed_as('cub:2011', given['folder'])}")
    return 0
