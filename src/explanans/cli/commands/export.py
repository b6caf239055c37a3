"""Write a trained Explainer as an ONNX file, alone or with its classifier, to run where there is no PyTorch.

The graph is compared with PyTorch first; a file that gives other numbers is never written. See docs/export.md for
examples in Python without PyTorch and in a browser.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from explanans.cli.options import add_function
from explanans.data import open_dataset
from explanans.deploy.onnx import export_onnx, quantise
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.listing import list_files
from explanans.utils.files import atomic_file
from explanans.utils.tables import aligned


def add_arguments(parser: ArgumentParser) -> None:
    add_function(parser, export)


def export(
    explainer: str,
    out: str = "explainer.onnx",
    what: Literal["masks", "both"] = "both",
    preprocessing: Literal["outside", "inside"] = "outside",
    dynamic_size: bool = False,
    check_images: str | None = None,
    most_images: int = 64,
    int8: bool = False,
    calibration_images: str | None = None,
    data: str | None = None,
    split: str = "val",
    trust_factory: bool = False,
    quiet: bool = False,
) -> int:
    """Parse and call.

    Args:
        explainer: Folder of a trained Explainer, or its name on the Hugging Face hub.
        out: The file to write.
        what: masks (the Explainer alone), or both (classifier and Explainer as one graph).
        preprocessing: outside (takes normalised images), or inside (takes uint8 pictures of any size).
        dynamic_size: Leave height and width of the images free, where the networks allow it.
        check_images: File, folder or quoted pattern of photos to compare on; null for generated pictures.
        most_images: Take so many of the check and calibration images at most.
        int8: Also write a graph with 8-bit integers, OUT with .int8.onnx, and measure what it loses.
        calibration_images: File, folder or quoted pattern of photos that decide the ranges of activations.
        data: Data set with segmentations on which the loss of IoU is measured.
        split: Of the data set.
        trust_factory: Run the code that the saved classifier names as its architecture.
        quiet: Print nothing.
    """
    if int8 and preprocessing == "inside":
        raise InputError("int8: quantise a graph with preprocessing outside.")
    if int8 and calibration_images is None:
        raise InputError("int8 needs --calibration_images FOLDER: ranges of activations come from photos.")
    photos = [] if check_images is None else list_files([check_images])[:most_images]
    # Before the export, which takes a while.
    ranges = [] if calibration_images is None else list_files([calibration_images])[:most_images]
    loaded = Explainer.from_pretrained(explainer, trust_factory=trust_factory)
    done = export_onnx(loaded, out, what=what, preprocessing=preprocessing, dynamic_size=dynamic_size, pictures=photos)
    _say(
        quiet,
        f"{out}: {done.path.stat().st_size / 2**20:.1f} MiB, differs from PyTorch by at most "
        f"{done.check.difference:.1e} on {done.check.images} {'photos' if photos else 'generated pictures'}",
    )
    if done.check.resize_difference is not None:
        _say(
            quiet,
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
        _say(quiet, aligned(["graph", "MiB", "ms per image", "soft IoU", "IoU with float32"], rows))
        _say(quiet, f"saved as {path}, with these figures in {path.with_suffix('.json')}")
    return 0


run = export


def _say(quiet: bool, text: str) -> None:
    if not quiet:
        print(text)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
