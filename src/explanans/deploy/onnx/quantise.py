"""An exported graph with 8-bit integers, and what that costs in masks."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explanans.data import LabelledImages
from explanans.deploy.onnx.check import answer, open_session
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.images.reading import read_image
from explanans.metrics import label_region, soft_overlap
from explanans.utils.files import atomic_file, scratch_folder

TIMED = 20
FIRST = 6


@dataclass(frozen=True)
class Quantised:
    """What an int8 graph is worth.

    Attributes:
        path: the file.
        bytes_float, bytes_int8: sizes of the two files.
        ms_float, ms_int8: median milliseconds for one image, one thread, onnxruntime.
        agreement: IoU of the binarised masks of the float graph and of the int8 one, all classes of an image taken
            together, mean over the images.
        iou_float, iou_int8: soft IoU with the true segmentations, mean over images; None without them.
        images: how many images agreement was measured on.
    """

    path: Path
    bytes_float: int
    bytes_int8: int
    ms_float: float
    ms_int8: float
    agreement: float
    images: int
    iou_float: float | None = None
    iou_int8: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "path": self.path.name}


def quantise(
    source: str | Path,
    path: str | Path,
    explainer: Explainer,
    calibration: Sequence[Any],
    *,
    check: Sequence[Any] = (),
    dataset: LabelledImages | None = None,
    keep_float: Sequence[str] = (),
) -> Quantised:
    """Static quantisation by onnxruntime: weights per channel, activations from ``calibration`` pictures (QDQ).

    In float stay the last convolutions of the mask network, whose outputs are the logits; the first six convolutions,
    whose rounding everything after them sees; and depthwise ones, which have nine weights per channel to round and few
    multiply-adds to save. Tried on photos, agreement of masks was 0.76 without these exceptions and 0.91 with them.

    Args:
        source: what :func:`explanans.deploy.onnx.export_onnx` wrote with preprocessing outside.
        path: the new file.
        explainer: whose preprocessing the pictures take.
        calibration: photos that decide the ranges of activations; a hundred are enough.
        check: other photos, to measure agreement on; those of the calibration by default.
        dataset: images with segmentations, to measure IoU on.
        keep_float: names of further nodes that stay in float.

    Raises:
        InputError: no calibration pictures, or a graph that takes pictures.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source, path = Path(source), Path(path)
    if not calibration:
        raise InputError("int8: give calibration pictures (--calibration_images FOLDER); ranges come from them.")
    before = open_session(source, threads=1)
    if before.get_inputs()[0].name != "images":
        raise InputError(f"{source} takes pictures; quantise a graph with preprocessing outside.")
    prepare = explainer.explanandum.preprocessing
    tensors = [prepare(read_image(each))[None] for each in calibration]
    with scratch_folder(path) as folder:
        ready, made = folder / "ready.onnx", folder / "int8.onnx"
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        with contextlib.redirect_stdout(io.StringIO()):
            quantize_static(
                str(ready),
                str(made),
                _Reader(tensors),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                # Unsigned both: signed weights overflow in the 16-bit sums of processors without VNNI.
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QUInt8,
                # A few outliers would widen the range of all.
                calibrate_method=CalibrationMethod.Percentile,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=[*_delicate(ready), *keep_float],
            )
        after = open_session(made, threads=1)
        looked = [prepare(read_image(each))[None] for each in check] or tensors
        agreement = float(np.mean([_agreement(before, after, each) for each in looked]))
        columns = _masked(before, explainer)
        ious = [None if dataset is None else _iou(session, dataset, columns) for session in (before, after)]
        times = _milliseconds([before, after], looked[0])
        with atomic_file(path) as temporary:
            shutil.copyfile(made, temporary)
    return Quantised(
        path=path,
        bytes_float=source.stat().st_size,
        bytes_int8=path.stat().st_size,
        ms_float=times[0],
        ms_int8=times[1],
        agreement=agreement,
        images=len(looked),
        iou_float=ious[0],
        iou_int8=ious[1],
    )


class _Reader:
    """Calibration data as onnxruntime asks for them."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._left = iter(tensors)

    def get_next(self) -> dict[str, np.ndarray] | None:
        following = next(self._left, None)
        return None if following is None else {"images": following.numpy()}


def _delicate(path: Path) -> list[str]:
    """Names of the convolutions that stay in float."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    depthwise = [node for node in convolutions if any(each.name == "group" and each.i > 1 for each in node.attribute)]
    names = [node.name for node in (*convolutions[:FIRST], *depthwise)]
    return list(dict.fromkeys([*names, *_last(model.graph)]))


def _last(graph: Any) -> list[str]:
    """Names of the convolutions from which masks are reached without passing another one."""
    maker = {output: node for node in graph.node for output in node.output}
    left, found, seen = [graph.output[-1].name], [], set()
    while left:
        node = maker.get(left.pop())
        if node is None or node.name in seen:
            continue
        seen.add(node.name)
        if node.op_type == "Conv":
            found.append(node.name)
        else:
            left += list(node.input)
    return found


def _agreement(before: Any, after: Any, images: Tensor) -> float:
    """Of all classes' masks of an image together, so that a few pixels of an absent class do not outweigh an object."""
    one, other = (answer(session, images)[-1] >= 0.5 for session in (before, after))
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0


def _masked(session: Any, explainer: Explainer) -> list[int]:
    """The classes that the graph has masks of, in their order."""
    names = json.loads(session.get_modelmeta().custom_metadata_map["mask_classes"])
    return [explainer.classes.index(name) for name in names]


def _iou(session: Any, dataset: LabelledImages, columns: list[int]) -> float:
    values = []
    for index in range(len(dataset)):
        sample = dataset[index]
        labels = torch.zeros_like(sample["labels"], dtype=torch.bool)
        labels[columns] = sample["labels"].bool()[columns]
        if not labels.any():
            continue
        # onnxruntime's sigmoid goes beyond 1 by its rounding.
        masks = torch.from_numpy(answer(session, sample["image"][None])[-1]).clamp(0, 1)
        target, valid = label_region(sample["segmentation"][None], labels[None])
        merged = masks[:, labels[columns]].amax(1)
        values.append(float(soft_overlap(merged, target, valid).iou()))
    if not values:
        raise InputError("int8: no picture of the data has one of the classes that the graph has masks of.")
    return float(np.mean(values))


def _milliseconds(sessions: Sequence[Any], images: Tensor) -> list[float]:
    """Medians, in turns."""
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(TIMED):
        for column, session in zip(times, sessions, strict=True):
            begin = time.perf_counter()
            answer(session, images)
            column.append(1000 * (time.perf_counter() - begin))
    return [float(np.median(column)) for column in times]
