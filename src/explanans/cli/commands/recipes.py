"""List the ready-made configurations: what --config takes besides a file.

A recipe is used by its name, and options after it win: explanans fit --config voc2007-vgg16 --out elsewhere. To change
more, print it: explanans fit --config voc2007-vgg16 --print_config > mine.yaml
"""

from __future__ import annotations

from jsonargparse import ArgumentParser

from explanans.cli.commands import COMMANDS
from explanans.cli.options import add_function
from explanans.cli.recipes import recipes as recipes_of
from explanans.cli.recipes import summary


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, recipes)


def recipes() -> int:
    """Parse and call."""
    for command in COMMANDS:
        for name, path in recipes_of(command).items():
            print(f"explanans {command} --config {name}\n    {summary(path)}")
    return 0


run = recipes
