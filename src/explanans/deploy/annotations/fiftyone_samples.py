"""A folder of explanations as a dataset of FiftyOne: heatmaps, a segmentation and regions, with receipts as fields."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from explanans.deploy.batch.explained import read_index
from explanans.errors import InputError
from explanans.explanations.explanation import RECORD, RESULT
from explanans.explanations.region_files import FILE, KIND, NUMBERS, inside_of, score_of
from explanans.utils.records import read_json

LARGEST = 2048
"""Pixels of a segmentation's longer side, about: it lies in the database. FiftyOne stretches it over the picture."""

RECEIPT = ("kept", "removed", "elsewhere", "area", "score", "word")


def fiftyone_dataset(
    explanations: str | Path,
    name: str | None = None,
    *,
    heatmaps: bool = True,
    overwrite: bool = False,
    persistent: bool = True,
) -> Any:
    """A ``fiftyone.Dataset`` of all pictures that were explained, with the samples of :func:`fiftyone_samples`.

    Args:
        explanations: a folder that ``explanans explain`` wrote with a folder for each picture.
        name: of the dataset; None for one that FiftyOne makes up.
        heatmaps: a field for each class; leave them out where there are hundreds.
        overwrite: replace a dataset of that name.
        persistent: it is still there in the next session.

    Raises:
        InputError: no such folder, FiftyOne is not installed, its database does not start, or the name is taken.
    """
    fiftyone = _library()
    samples = list(fiftyone_samples(explanations, heatmaps=heatmaps))
    try:
        taken = name is not None and not overwrite and fiftyone.dataset_exists(name)
        if not taken:
            dataset = fiftyone.Dataset(name, persistent=persistent, overwrite=overwrite)
    except Exception as error:
        # Its configuration, its service and the driver each have errors of their own.
        raise InputError(
            f"FiftyOne's database does not start ({str(error).strip()}); it brings a MongoDB for usual systems "
            "(pip install fiftyone), for others name a running one: FIFTYONE_DATABASE_URI=mongodb://HOST:PORT."
        ) from error
    if taken:
        raise InputError(f"name={name!r}: FiftyOne has such a dataset; give another name, or overwrite=True.")
    dataset.default_mask_targets = mask_targets(explanations)
    dataset.add_samples(samples, dynamic=True)
    return dataset


def fiftyone_samples(explanations: str | Path, *, heatmaps: bool = True) -> Iterator[Any]:
    """A ``fiftyone.Sample`` for each picture; no database is needed.

    ``classes`` has the classes that are explained, with their probability as confidence; ``heatmap_NAME_INDEX`` the
    mask of each, as the file that it lies in; ``segmentation`` the class whose mask is highest, of those above the
    threshold, as its index + 1; ``regions``, where they were made, each region in its box with what was measured, and
    its receipt's kept probability as confidence. Classes, heatmaps and regions have the fields of their receipt:
    ``kept``, ``removed``, ``elsewhere``, ``score``, ``word``, and classes and heatmaps ``area``, a share.

    Raises:
        InputError: no such folder, a damaged file, or FiftyOne is not installed.
    """
    fiftyone = _library()
    for folder, found in _explained(explanations):
        sample = fiftyone.Sample(filepath=found["source"])
        sample["classes"] = fiftyone.Classifications(
            classifications=[
                fiftyone.Classification(label=each["name"], confidence=each["probability"], **_receipt(each))
                for each in found["classes"]
            ]
        )
        for each in found["classes"] if heatmaps else ():
            sample[field_of(each["name"], each["index"])] = fiftyone.Heatmap(
                map_path=str((folder / each["mask"]).resolve()), range=[0, 255], label=each["name"], **_receipt(each)
            )
        sample["segmentation"] = fiftyone.Segmentation(mask=_segmentation(folder, found))
        if (folder / FILE).is_file():
            sample["regions"] = _regions(fiftyone, read_json(folder / FILE, KIND))
        yield sample


def mask_targets(explanations: str | Path) -> dict[int, str]:
    """What the values of segmentations mean: index + 1 of each class that is explained in some picture."""
    found = {each["index"]: each["name"] for _, one in _explained(explanations) for each in one["classes"]}
    return {index + 1: name for index, name in sorted(found.items())}


def field_of(name: str, index: int) -> str:
    """The field of a class's heatmap; the index keeps names apart that differ in what a field's name cannot hold."""
    return f"heatmap_{re.sub(r'[^0-9a-zA-Z]+', '_', name).strip('_')}_{index}"


def _explained(explanations: str | Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    index = read_index(explanations, regions=False)
    for each in index["images"]:
        if each["folder"] is not None:
            folder = Path(explanations) / each["folder"]
            yield folder, read_json(folder / RESULT, RECORD)


def _receipt(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (found["receipt"] or {}).items() if name in RECEIPT}


def _segmentation(folder: Path, found: Mapping[str, Any]) -> NDArray[np.uint16]:
    factor = -(-max(found["width"], found["height"]) // LARGEST)
    size = tuple(-(-found[side] // factor) for side in ("height", "width"))
    highest = np.full(size, 255 * found["settings"]["mask_threshold"] - 0.5, np.float32)
    values = np.zeros(size, np.uint16)
    for each in found["classes"]:
        with Image.open(folder / each["mask"]) as opened:
            mask = np.asarray(opened.reduce(factor), np.float32)
        above = mask > highest
        highest[above], values[above] = mask[above], each["index"] + 1
    return values


def _regions(fiftyone: Any, collection: Mapping[str, Any]) -> Any:
    width, height = collection["width"], collection["height"]
    detections = []
    for feature in collection["features"]:
        facts = feature["properties"]
        measured = {name: facts[name] for name in (*NUMBERS, "word") if facts.get(name) is not None}
        box = [facts["left"] / width, facts["top"] / height, facts["width"] / width, facts["height"] / height]
        detections.append(
            fiftyone.Detection(
                label=facts["class"],
                bounding_box=box,
                mask=inside_of(feature),
                confidence=score_of(feature),
                index=facts["region"],
                **measured,
            )
        )
    return fiftyone.Detections(detections=detections)


def _library() -> Any:
    try:
        return importlib.import_module("fiftyone")
    except ModuleNotFoundError as error:
        raise InputError(
            f"FiftyOne is not installed ({error.name} is missing): pip install 'explanans[fiftyone]'."
        ) from error
