"""Fetch PASCAL VOC 2007 or 2012 from its official server, check it and unpack it.

A download that was stopped goes on with the same command. Without a network the message says which file to put where;
the same command then checks and unpacks it. The archives may be deleted afterwards.
"""

from __future__ import annotations

from typing import Literal

from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.data.download.published import install, installed_as

PARTS = (Part(install, names={"parts": "part"}, without=("data", "progress"), optional="folder"),)


def run(given: Given, year: Literal[2007, 2012] = 2007) -> int:
    """Fetch.

    Args:
        year: of the challenge. 2007 is the paper's; of 2012 the test labels were never published.
    """
    place = given.call(install, f"voc:{year}", progress=not given["quiet"])
    say(f"VOC-{year} is in {place}; use it as {installed_as(f'voc:{year}', given['folder'])}")
    return 0
