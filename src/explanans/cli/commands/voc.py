"""Fetch PASCAL VOC 2007 or 2012 from its official server, check it and unpack it.

A download that was stopped goes on with the same command. Without a network the message says which file to put where;
the same command then checks and unpacks it. The archives may be deleted afterwards.
"""

from __future__ import annotations

from typing import Literal

from jsonargparse import ArgumentParser

from explanans.cli.options import add_function, comma_list
from explanans.data.download.published import install, installed_as


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, voc, optional="folder")


def voc(
    folder: str | None = None, year: Literal[2007, 2012] = 2007, part: str | None = None, quiet: bool = False
) -> int:
    """Parse and call.

    Args:
        folder: Where to; left out, the folder that voc:2007 looks in ($EXPLANANS_DATA, or ~/.cache/explanans/data).
        year: The challenge. 2007 is the paper's; of 2012 the test labels were never published.
        part: trainval, test or both (trainval,test); null for all that the year has.
        quiet: Print nothing, show no progress.
    """
    parts = comma_list(part)
    place = install(f"voc:{year}", folder, parts=parts, progress=not quiet)
    if not quiet:
        print(f"VOC-{year} is in {place}; use it as {installed_as(f'voc:{year}', folder)}")
    return 0


run = voc
