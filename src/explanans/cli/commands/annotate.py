"""Take regions into an annotation tool, and what people made of them back.

Out: the regions of a folder that 'explanans explain --regions' wrote, for Label Studio (predictions: brush and polygon,
with the region's receipt as score), CVAT for images, YOLO's segmentation or COCO. Back: an export of Label Studio
(JSON) or COCO becomes a table with segmentations, which benchmark and fit read, and boxes.
"""

from __future__ import annotations

from pathlib import Path

from explanans.classifiers.class_names import read_classes
from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.deploy.annotations.drawn import TABLE, read_coco, write_drawn
from explanans.deploy.annotations.label_studio import read_label_studio
from explanans.deploy.annotations.tools import write_annotations
from explanans.errors import InputError
from explanans.utils.query_options import join_options

PARTS = (Part(write_annotations, defaults={"out": "annotations", "format": "labelstudio"}, without=("explanations",)),)


def run(given: Given, source: str, back: bool = False, classes: str | None = None) -> int:
    """Write them.

    Args:
        source: folder that explanans explain --regions wrote; with --back the file that the tool exported.
        back: read corrected annotations instead, and write a table with segmentations and boxes into out.
        classes: with --back the classes in the order of the segmentations' values: names separated by commas, or a
            file; null for those that were drawn.
    """
    if not back:
        if classes is not None:
            raise InputError("classes say what the values of segmentations mean, with --back; leave them out.")
        say(f"in {given.call(write_annotations, source)}")
        return 0
    if given["format"] not in ("labelstudio", "coco"):
        raise InputError(f"format={given['format']}: annotations are read back from labelstudio and coco.")
    if given["root"] is None:
        raise InputError("root is missing: the table names pictures by where they lie; give the folder, --root photos.")
    drawn = read_coco(source) if given["format"] == "coco" else read_label_studio(source)
    known = None if classes is None else read_classes(classes)
    names = write_drawn(drawn, given["out"], known, root=given["root"], prefix=given["prefix"])
    options = join_options({"mask_classes": ";".join(names)})
    say(f"in {given['out']}; as data: {Path(given['out']) / TABLE}{options}")
    return 0
