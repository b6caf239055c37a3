"""Generate pictures of textured shapes with exact masks, in the layout of PASCAL VOC.

Nothing is downloaded. The classes are pairs of shape and texture, so that neither alone tells the class.
"""

from __future__ import annotations

from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.data.scenes import write_scenes

PARTS = (Part(write_scenes),)


def run(given: Given) -> int:
    folder = given.call(write_scenes)
    say(f"{given['train'] + given['val'] + given['test']:,} pictures in {folder}; use them as scenes:{folder}")
    return 0
