"""List the ready-made configurations: what --config takes besides a file.

A recipe is used by its name, and options after it win: explanans fit --config voc2007-vgg16 --out elsewhere. To change
more, print it: explanans fit --config voc2007-vgg16 --print_config > mine.yaml
"""

from __future__ import annotations

from explanans.cli.commands import COMMANDS
from explanans.cli.output import say
from explanans.cli.recipes import recipes, summary


def run() -> int:
    for command in COMMANDS:
        for name, path in recipes(command).items():
            say(f"explanans {command} --config {name}\n    {summary(path)}")
    return 0
