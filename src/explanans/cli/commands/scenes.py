"""Generate pictures of textured shapes with exact masks, in the layout of PASCAL VOC.

Nothing is downloaded. The classes are pairs of shape and texture, so that neither alone tells the class.
"""

from __future__ import annotations

from jsonargparse import ArgumentParser

from explanans.cli.options import add_function
from explanans.data.scenes import write_scenes


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, scenes)


def scenes(
    folder: str,
    train: int = 3000,
    val: int = 500,
    test: int = 500,
    size: int = 96,
    seed: int = 0,
    workers: int = 0,
    quiet: bool = False,
) -> int:
    """Parse and call.

    Args:
        folder: Where to write; a new or an empty folder.
        train: Pictures for training.
        val: Pictures for validation.
        test: Pictures for testing.
        size: Height and width in pixels, at least 48.
        seed: Another seed gives other pictures.
        workers: Processes that draw; the pictures are the same for any number.
        quiet: Print nothing.
    """
    write_scenes(folder, train=train, val=val, test=test, size=size, seed=seed, workers=workers, quiet=quiet)
    if not quiet:
        print(f"{train + val + test:,} pictures in {folder}; use them as scenes:{folder}")
    return 0


run = scenes
