"""The regions of a folder of explanations, written for an annotation tool."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args

from explanans.deploy.annotations.cvat import cvat_xml
from explanans.deploy.annotations.label_studio import labelling_config, tasks
from explanans.deploy.annotations.yolo import data_yaml, yolo_lines
from explanans.deploy.batch.explained import read_index
from explanans.errors import InputError
from explanans.explanations.region_files import FILE, KIND, coco_annotations
from explanans.utils.files import atomic_folder
from explanans.utils.records import read_json

Tool = Literal["labelstudio", "cvat", "yolo", "coco"]
MARK = {"labelstudio": "tasks.json", "cvat": "annotations.xml", "yolo": "data.yaml", "coco": "annotations.json"}
"""The file by which an earlier result of the same kind is known."""


def write_annotations(
    explanations: str | Path, out: str | Path, format: Tool, *, root: str | Path | None = None, prefix: str = ""
) -> Path:
    """Write the regions for a tool; returns the folder.

    Args:
        explanations: a folder that ``explanans explain --regions`` wrote.
        out: a new folder, or one of the same format, which is replaced.
        format: "labelstudio" (``tasks.json`` and ``config.xml``), "cvat" (``annotations.xml`` for images), "yolo"
            (``labels/*.txt`` and ``data.yaml``) or "coco" (``annotations.json``).
        root: the folder that pictures are named relative to, and are found in on the way back; None for the one that
            all of them lie in.
        prefix: goes before a picture's name, such as ``/data/local-files/?d=`` of Label Studio, and is taken off on the
            way back.

    Raises:
        InputError: no regions, or another format.
    """
    if format not in get_args(Tool):
        raise InputError(f"format={format!r}; take one of {', '.join(get_args(Tool))}.")
    folder = Path(explanations)
    index = read_index(folder)
    found = [read_json(folder / each["folder"] / FILE, KIND) for each in index["images"] if each["folder"] is not None]
    names = [f"{prefix}{name}" for name in _names([each["source"] for each in found], root)]
    # In the classifier's order.
    numbered = {entry["index"]: entry["name"] for each in found for entry in each["classes"]}
    classes = [name for _, name in sorted(numbered.items())]
    with atomic_folder(out, replace_if_holds=MARK[format]) as temporary:
        for path, content in _files(format, found, names, classes).items():
            (temporary / path).parent.mkdir(parents=True, exist_ok=True)
            (temporary / path).write_text(content, encoding="utf-8", errors="backslashreplace")
    return Path(out)


def _files(format: Tool, found: list[dict[str, Any]], names: list[str], classes: list[str]) -> dict[str, str]:
    if format == "labelstudio":
        text = json.dumps(tasks(found, names), ensure_ascii=False)
        return {MARK[format]: f"{text}\n", "config.xml": labelling_config(classes)}
    if format == "cvat":
        return {MARK[format]: cvat_xml(found, names, classes)}
    if format == "coco":
        named = [{**each, "source": name} for each, name in zip(found, names, strict=True)]
        return {MARK[format]: f"{json.dumps(coco_annotations(named), ensure_ascii=False)}\n"}
    texts = {
        f"labels/{Path(name).with_suffix('.txt')}": yolo_lines(each, classes)
        for each, name in zip(found, names, strict=True)
    }
    return {MARK[format]: data_yaml(classes), **texts}


def _names(sources: Iterable[str], root: str | Path | None) -> list[str]:
    paths = [os.path.abspath(source) for source in sources]  # noqa: PTH100 - as it is written, links left alone
    if not paths:
        return []
    base = os.path.abspath(root) if root is not None else os.path.commonpath([Path(path).parent for path in paths])  # noqa: PTH100
    if outside := [path for path in paths if not Path(path).is_relative_to(base)]:
        raise InputError(f"root={root}: {outside[0]} is not in it; give a folder that holds all pictures.")
    return [Path(path).relative_to(base).as_posix() for path in paths]
