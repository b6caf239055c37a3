"""Write a trained Explainer as an ONNX file, alone or with its classifier, to run where there is no PyTorch.

The graph is compared with PyTorch first; a file that gives other numbers is never written. See docs/export.md for
examples in Python without PyTorch and in a browser.
"""

from __future__ import annotations

import json
from pathlib import Path

from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.data import open_dataset
from explanans.deploy.onnx import export_onnx, quantise
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.listing import list_files
from explanans.images.reading import read_image
from explanans.utils.files import atomic_file
from explanans.utils.tables import aligned

PARTS = (
    Part(
        Explainer.from_pretrained,
        names={"pretrained_model_name_or_path": "explainer"},
        without=("allow_other_classifier",),
    ),
    Part(
        export_onnx,
        names={"path": "out"},
        without=("explainer", "pictures", "tolerance"),
        defaults={"out": "explainer.onnx"},
    ),
)


def run(
    given: Given,
    check_images: str | None = None,
    most_images: int = 64,
    int8: bool = False,
    calibration_images: str | None = None,
    data: str | None = None,
    split: str = "val",
) -> int:
    """Write it.

    Args:
        check_images: file, folder or quoted pattern of photos to compare on; null for generated pictures.
        most_images: take so many of the check and calibration images at most.
        int8: also write a graph with 8-bit integers, OUT with .int8.onnx, and measure what it loses.
        calibration_images: file, folder or quoted pattern of photos that decide the ranges of activations.
        data: data set with segmentations on which the loss of IoU is measured.
        split: of the data set.
    """
    if int8 and given["preprocessing"] == "inside":
        raise InputError("int8: quantise a graph with preprocessing outside.")
    if int8 and calibration_images is None:
        raise InputError("int8 needs --calibration_images FOLDER: ranges of activations come from photos.")
    photos = [] if check_images is None else list_files([check_images])[:most_images]
    ranges = [] if calibration_images is None else list_files([calibration_images])[:most_images]
    for path in dict.fromkeys([*photos, *ranges]):
        # Each is read here once, because what cannot be read would stop an export that has taken a minute.
        read_image(path)
    loaded, out = given.call(Explainer.from_pretrained), given["out"]
    done = given.call(export_onnx, loaded, pictures=photos)
    say(
        f"{out}: {done.path.stat().st_size / 2**20:.1f} MiB, differs from PyTorch by at most "
        f"{done.check.difference:.1e} on {done.check.images} {'photos' if photos else 'generated pictures'}",
    )
    if done.check.cut_elsewhere:
        say(f"{done.check.cut_elsewhere} of {done.check.masks} masks are cut elsewhere, where two cuts are as good")
    if not given["finish"] and (loaded.refine or loaded.reach or loaded.competes):
        say("masks are those of the network; --finish has those of explain, finished on their own picture")
    if done.check.resize_difference is not None:
        say(
            f"resizing inside changes mask values by {done.check.resize_difference:.4f} on average, at the worst image",
        )
    if int8:
        dataset = None
        if data is not None:
            classifier = loaded.explanandum
            opened = open_dataset(data, split, classes=classifier.classes, preprocessing=classifier.preprocessing)
            dataset = opened.with_segmentation()
        path = Path(out).with_suffix(".int8.onnx")
        made = quantise(out, path, loaded, ranges, check=photos, dataset=dataset)
        with atomic_file(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(made.to_dict(), indent=2) + "\n", encoding="utf-8")
        rows = [
            ["float32", f"{made.bytes_float / 2**20:.1f}", f"{made.ms_float:.1f}", _figure(made.iou_float), ""],
            [
                "int8",
                f"{made.bytes_int8 / 2**20:.1f}",
                f"{made.ms_int8:.1f}",
                _figure(made.iou_int8),
                f"{made.agreement:.3f}",
            ],
        ]
        say(aligned(["graph", "MiB", "ms per image", "soft IoU", "IoU with float32"], rows))
        say(f"saved as {path}, with these figures in {path.with_suffix('.json')}")
    return 0


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
