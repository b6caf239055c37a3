"""Regions as CVAT's XML for images (version 1.1): masks with run lengths, pixel by pixel."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanans.explanations.region_files import inside_of, score_of


def cvat_xml(collections: Iterable[Mapping[str, Any]], names: Iterable[str], classes: Sequence[str]) -> str:
    """One document for all pictures, each a feature collection of regions.

    A region is a ``mask`` with its bounding box and run lengths, row by row in the box and beginning with what is
    outside; its attribute ``score`` is the kept probability of its receipt, or the class's where it has none.

    Args:
        names: of the pictures' files, as CVAT knows them.
        classes: all labels.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    images = []
    for number, (each, name) in enumerate(zip(collections, names, strict=True)):
        size = {"width": str(each["width"]), "height": str(each["height"])}
        image = ET.Element("image", {"id": str(number), "name": name, **size})
        for feature in each["features"]:
            _add(image, feature)
        images.append(image)
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    for tag, text in (("name", "explanans"), ("size", str(len(images))), ("mode", "annotation")):
        ET.SubElement(task, tag).text = text
    labels = ET.SubElement(task, "labels")
    for name in classes:
        label = ET.SubElement(labels, "label")
        ET.SubElement(label, "name").text = name
        attribute = ET.SubElement(ET.SubElement(label, "attributes"), "attribute")
        parts = {"name": "score", "mutable": "False", "input_type": "text", "default_value": "", "values": ""}
        for tag, text in parts.items():
            ET.SubElement(attribute, tag).text = text
    root.extend(images)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add(image: ET.Element, feature: Mapping[str, Any]) -> None:
    facts = feature["properties"]
    left, top, across, down = (facts[side] for side in ("left", "top", "width", "height"))
    mask = ET.SubElement(
        image,
        "mask",
        {
            "label": facts["class"],
            "source": "auto",
            "occluded": "0",
            "rle": ", ".join(map(str, run_lengths_of(inside_of(feature)))),
            "left": str(left),
            "top": str(top),
            "width": str(across),
            "height": str(down),
            "z_order": "0",
        },
    )
    ET.SubElement(mask, "attribute", {"name": "score"}).text = f"{score_of(feature):.6f}"


def run_lengths_of(inside: NDArray[np.bool_]) -> list[int]:
    """Row by row: how many outside, how many inside, … beginning with outside, which may be 0."""
    flat = inside.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return [0, *lengths] if flat[0] else lengths
