"""Ready-made configurations that come with the package: ``--config NAME``.

A recipe is a YAML file in the folder of its command, ``fit/voc2007-vgg16.yaml``; a new one needs no line elsewhere.
Recipes of one name belong together: the Explainer's takes the classifier that the classifier's saves. The first line of
a file says in a comment what it trains.
"""

from __future__ import annotations

from pathlib import Path

from explanans.errors import InputError

FOLDER = Path(__file__).parent
SUFFIX = ".yaml"


def recipes(command: str) -> dict[str, Path]:
    """The recipes of a command such as ``"classifier fit"``, by name; none for a command without."""
    return {path.stem: path for path in sorted((FOLDER / command.replace(" ", "_")).glob(f"*{SUFFIX}"))}


def summary(path: Path) -> str:
    """What a recipe says about itself in its first line."""
    return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def resolve(config: str, command: str) -> str:
    """What ``--config`` names: a file, or else a recipe of the command.

    Raises:
        InputError: neither; the message lists the recipes.
    """
    known = recipes(command)
    if Path(config).is_file():
        return config
    if config in known:
        return str(known[config])
    listed = f"the recipes of 'explanans {command}' are {', '.join(known)}" if known else f"{command} has no recipes"
    raise InputError(f"config={config!r} is neither a file nor a recipe; {listed}.")
