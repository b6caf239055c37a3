"""Fetch Caltech-UCSD Birds-200-2011 and its segmentations from CaltechDATA, check and unpack them.

A download that was stopped goes on with the same command. Without a network the message says which file to put where;
the same command then checks and unpacks it. The archives may be deleted afterwards.
"""

from __future__ import annotations

from jsonargparse import ArgumentParser

from explanans.cli.options import add_function, comma_list
from explanans.data.download.published import install, installed_as


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, cub, optional="folder")


def cub(folder: str | None = None, part: str | None = None, quiet: bool = False) -> int:
    """Parse and call.

    Args:
        folder: Where to; left out, the folder that cub:2011 looks in ($EXPLANANS_DATA, or ~/.cache/explanans/data).
        part: images, segmentations or both (images,segmentations); null for both.
        quiet: Print nothing, show no progress.
    """
    parts = comma_list(part)
    place = install("cub:2011", folder, parts=parts, progress=not quiet)
    if not quiet:
        print(f"CUB-200-2011 is in {place}; use it as {installed_as('cub:2011', folder)}")
    return 0


run = cub
