"""A folder of explanations that an earlier command left, as the next command finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from explanans.deploy.batch.folders import INDEX, RECORD
from explanans.errors import InputError
from explanans.utils.records import read_json


def read_index(explanations: str | Path, *, regions: bool = True) -> dict[str, Any]:
    """The index of a folder of explanations, which must have regions unless ``regions`` is false.

    Raises:
        InputError: no such folder, one that holds other things or explanations without regions, or a damaged index.
    """
    folder = Path(explanations)
    if not (folder / INDEX).is_file():
        asked = " --regions" if regions else ""
        what = "holds no explanations" if folder.is_dir() else "is no folder of explanations"
        raise InputError(f"{folder} {what}; make some: explanans explain WHO PICTURES{asked} --out FOLDER.")
    index = read_json(folder / INDEX, RECORD)
    if regions and "regions" not in index["settings"]["options"]:
        raise InputError(f"{folder} has explanations without regions; make them with explanans explain --regions.")
    return index
