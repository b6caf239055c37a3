"""The masks of a whole job in one annotation file as COCO's, joined from the parts in its shards."""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import takewhile
from pathlib import Path
from typing import Any

from explanans.images.listing import is_container
from explanans.utils.files import atomic_file
from explanans.utils.records import Kind, read_json
from explanans.utils.text import printable

MASKS = Kind(
    "masks of a shard",
    "delete the shard's folder, and repeat the command to make it again",
    {
        "images": [{"id": int, "file_name": str}],
        "annotations": [{"image_id": int}],
        "categories": list,
    },
)
PART, WHOLE = "masks.part.json", "masks.json"

Part = tuple[str | Path, Collection[str]]
"""A shard's part, and the sources of the pictures that are still in the job."""

Fetched = Callable[[str], AbstractContextManager[Path]]


def join_coco(parts: Sequence[Part], out: Path, arguments: Iterable[str], fetched: Fetched | None = None) -> None:
    """Write ``out`` from the parts, a shard at a time; annotations are numbered through.

    Parts are files, or what ``fetched`` makes files of for as long as they are read. ``file_name`` is relative to the
    folder that all pictures lie in (``info.root``): the one that was given, or what several have in common.
    """
    root = root_of(arguments)
    info = {"description": "masks of explanans, score is the probability of the class", "root": root}
    with atomic_file(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f'{{"info": {_text(info)}, "images": [')
        _write_all(file.write, (_relative(image, root) for _, images, _ in _read(parts, fetched) for image in images))
        file.write('], "annotations": [')
        every = (each for _, _, annotations in _read(parts, fetched) for each in annotations)
        _write_all(file.write, ({**each, "id": number} for number, each in enumerate(every, 1)))
        categories = next((found for found, _, _ in _read(parts, fetched)), [])
        file.write(f'], "categories": {_text(categories)}}}\n')


def root_of(arguments: Iterable[str]) -> str:
    """The folder, address or archive (``photos.zip!``) that the pictures of all arguments lie in; "" for none."""
    common: list[str] | None = None
    for argument in arguments:
        plain = argument.rstrip("/")
        if is_container(plain) and "://" not in plain and not plain.lower().endswith((".csv", ".tsv", ".parquet")):
            base = f"{plain}!"
        else:
            base = plain if Path(plain).is_dir() or _is_remote_folder(plain) else plain.rpartition("/")[0]
        names = list(takewhile(lambda name: not glob.has_magic(name), base.split("/")))
        if common is not None:
            same = [a == b for a, b in zip(common, names, strict=False)]
            names = names[: same.index(False) if False in same else len(same)]
        common = names
    return printable("/".join(common or []))


def _is_remote_folder(argument: str) -> bool:
    return "://" in argument and "." not in argument.rpartition("/")[2]


def _relative(image: dict[str, Any], root: str) -> dict[str, Any]:
    name = image["file_name"]
    start = root if root.endswith("!") else f"{root}/"
    return {**image, "file_name": name.removeprefix(start)} if root else image


def _read(parts: Iterable[Part], fetched: Fetched | None) -> Iterator[tuple[list[Any], list[Any], list[Any]]]:
    """Categories, images and annotations of each part."""
    for name, there in parts:
        with nullcontext(Path(name)) if fetched is None else fetched(str(name)) as path:
            part = read_json(path, MASKS)
        images = [image for image in part["images"] if image["file_name"] in there]
        known = {image["id"] for image in images}
        yield part["categories"], images, [each for each in part["annotations"] if each["image_id"] in known]


def _write_all(write: Callable[[str], Any], entries: Iterable[Any]) -> None:
    for number, entry in enumerate(entries):
        write((",\n" if number else "\n") + _text(entry))


def _text(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False)
