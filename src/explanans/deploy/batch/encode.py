"""Masks as bytes: COCO's run lengths, PNG, and the tables that hold them."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from explanans.deploy.batch.coco_file import PART

FILES_PER_FOLDER = 10_000
# Z_RLE of zlib.
RUN_LENGTHS = 3


@dataclass(frozen=True)
class Mask:
    """One class of one picture.

    Attributes:
        index: of the picture in the job.
        label: of the class; ``number`` is its position.
        probability: of the class on the whole picture.
        size: (height, width).
        code: its run lengths, or a PNG file.
    """

    index: int
    label: str
    number: int
    probability: float
    size: tuple[int, int]
    code: bytes


MASKS = pa.schema(
    [
        ("index", pa.int64()),
        ("class", pa.string()),
        ("class_index", pa.int32()),
        ("probability", pa.float32()),
        ("area", pa.float32()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("rle", pa.binary()),
    ]
)


def run_lengths(values: NDArray[np.uint8]) -> bytes:
    """COCO's compressed run-length code (``counts`` of pycocotools) of a binary mask (H, W)."""
    return coco.encode(np.asfortranarray(values))["counts"]


def grey_png(values: NDArray[np.uint8]) -> bytes:
    """A PNG of (H, W), 0 … 255."""
    buffer = io.BytesIO()
    # zlib's run-length strategy is quicker on masks than its levels, and their files are larger.
    Image.fromarray(values).save(buffer, "PNG", compress_level=1, compress_type=RUN_LENGTHS)
    return buffer.getvalue()


def parquet(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> bytes:
    """Always the same bytes for the same rows."""
    buffer = io.BytesIO()
    columns = {name: [row[name] for row in rows] for name in schema.names}
    pq.write_table(pa.table(columns, schema), buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def masks_as_parquet(masks: Sequence[Mask]) -> dict[str, bytes]:
    rows = [
        {
            "index": mask.index,
            "class": mask.label,
            "class_index": mask.number,
            "probability": mask.probability,
            "area": int(coco.area(_as_coco(mask))) / math.prod(mask.size),
            "height": mask.size[0],
            "width": mask.size[1],
            "rle": mask.code,
        }
        for mask in masks
    ]
    return {"masks.parquet": parquet(rows, MASKS)}


def masks_as_coco(
    masks: Sequence[Mask], images: Sequence[Mapping[str, Any]], classes: Sequence[str]
) -> dict[str, bytes]:
    """A part of an annotation file as COCO's, each mask an annotation; ``score`` is the probability of its class."""
    annotations = []
    for number, mask in enumerate(masks):
        code = _as_coco(mask)
        annotations.append(
            {
                # Numbers may not be 0 in COCO; a class k is category k + 1.
                "id": number + 1,
                "image_id": mask.index,
                "category_id": mask.number + 1,
                "segmentation": {"size": list(mask.size), "counts": mask.code.decode("ascii")},
                "area": int(coco.area(code)),
                "bbox": [float(value) for value in coco.toBbox(code)],
                "iscrowd": 0,
                "score": round(mask.probability, 6),
            }
        )
    sizes = {mask.index: mask.size for mask in masks}
    entries = [
        {"id": each["index"], "file_name": each["source"], "height": shape[0], "width": shape[1]}
        for each in images
        if (shape := sizes.get(each["index"], (each["height"], each["width"])))[0] is not None
    ]
    categories = [{"id": number + 1, "name": name} for number, name in enumerate(classes)]
    content = {"images": entries, "annotations": annotations, "categories": categories}
    return {PART: (json.dumps(content, ensure_ascii=False) + "\n").encode()}


def masks_as_png(masks: Sequence[Mask]) -> dict[str, bytes]:
    """``masks/0000/00000012-dog.png``: 8-bit grey, 255 for 1; no folder has more than 10,000 files."""
    files = {}
    for number, mask in enumerate(masks):
        plain = re.sub(r"[^\w-]+", "_", mask.label).encode()[:80].decode(errors="ignore")
        folder = f"masks/{number // FILES_PER_FOLDER:04d}"
        files[f"{folder}/{mask.index:010d}-{mask.number:04d}-{plain}.png"] = mask.code
    return files


def _as_coco(mask: Mask) -> dict[str, Any]:
    return {"size": list(mask.size), "counts": mask.code}
