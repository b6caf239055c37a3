"""Tasks of Label Studio with regions as predictions, and what people made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from explanans.deploy.annotations.brush_code import decode_brush, encode_brush
from explanans.deploy.annotations.drawn import Drawn
from explanans.errors import InputError
from explanans.explanations.region_files import mask_of, score_of
from explanans.ops.outlines import filled
from explanans.utils.records import Kind, reading
from explanans.version import __version__

EXPORT = Kind("export of Label Studio", "export the annotations as JSON")


def tasks(collections: Iterable[Mapping[str, Any]], addresses: Iterable[str]) -> list[dict[str, Any]]:
    """One task for each picture (a feature collection of regions), to be imported as a JSON file.

    A region is a result twice: as a brush (its very pixels) and as a polygon (its outer outline, which is easier to
    move). ``score`` of both is the region's receipt: its kept probability, or the class's where it has none. The
    prediction's score is the highest of them.

    Args:
        addresses: where Label Studio finds each picture.
    """
    made = []
    for each, address in zip(collections, addresses, strict=True):
        results = [result for feature in each["features"] for result in _results(feature, each)]
        prediction = {
            "model_version": f"explanans {__version__}",
            "score": max((result["score"] for result in results), default=0.0),
            "result": results,
        }
        made.append({"data": {"image": address}, "predictions": [prediction]})
    return made


def labelling_config(classes: Sequence[str]) -> str:
    """The labelling interface that these tasks want."""
    labels = "".join(f"<Label value={quoteattr(name)}/>" for name in classes)
    return (
        '<View><Image name="image" value="$image" zoom="true"/>'
        f'<BrushLabels name="brush" toName="image">{labels}</BrushLabels>'
        f'<PolygonLabels name="polygon" toName="image">{labels}</PolygonLabels></View>\n'
    )


def _results(feature: Mapping[str, Any], picture: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    height, width, name = picture["height"], picture["width"], feature["properties"]["class"]
    common = {
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": score_of(feature),
    }
    code = encode_brush(mask_of(feature, height, width))
    yield {
        **common,
        "id": f"brush-{feature['id']}",
        "from_name": "brush",
        "type": "brushlabels",
        "value": {"format": "rle", "rle": code, "brushlabels": [name]},
    }
    for number, rings in enumerate(feature["geometry"]["coordinates"]):
        points = [[100 * x / width, 100 * y / height] for x, y in rings[0][:-1]]
        yield {
            **common,
            "id": f"polygon-{feature['id']}-{number}",
            "from_name": "polygon",
            "type": "polygonlabels",
            "value": {"points": points, "closed": True, "polygonlabels": [name]},
        }


def read_label_studio(path: str | Path) -> Iterator[Drawn]:
    """What people drew, from an export as JSON: each brush, polygon and rectangle of the last annotation of each task
    that was not cancelled. A task without an annotation is left out: nobody has looked at it.

    Raises:
        InputError: no such export.
    """
    path = Path(path)
    with reading(path, EXPORT):
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, list) or not all(isinstance(task, dict) and "data" in task for task in content):
            raise InputError("it is no list of tasks")
        for task in content:
            done = [each for each in task.get("annotations", []) if not each.get("was_cancelled")]
            if not done:
                continue
            address = next(value for value in task["data"].values() if isinstance(value, str))
            yield Drawn(address, None, None)
            for result in done[-1]["result"]:
                yield from _drawn(address, result)


def _drawn(address: str, result: Mapping[str, Any]) -> Iterator[Drawn]:
    kind, value = result.get("type", ""), result.get("value", {})
    for name in value.get(kind, ()):
        height, width = result["original_height"], result["original_width"]
        if kind == "brushlabels":
            yield Drawn(address, name, decode_brush(value["rle"], height, width))
        elif kind == "polygonlabels":
            ring = np.array([*value["points"], value["points"][0]], np.float64) * [width / 100, height / 100]
            yield Drawn(address, name, filled([[ring]], height, width))
        elif kind == "rectanglelabels":
            left, top = value["x"] * width / 100, value["y"] * height / 100
            right, bottom = left + value["width"] * width / 100, top + value["height"] * height / 100
            corners = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
            yield Drawn(address, name, filled([[np.array(corners, np.float64)]], height, width))
