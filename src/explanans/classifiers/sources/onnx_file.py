"""onnx:FILE, through onnxruntime: answers without gradients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from explanans.classifiers.sources.shared.base import Loaded, Source
from explanans.classifiers.sources.shared.boxes import (
    FileBox,
    Outputs,
    as_logits,
    existing,
    first_line,
    in_batches,
    refuse_weights,
)
from explanans.classifiers.sources.shared.onnx_data import external_files
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.query_options import join_options, split_options

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}

Layout = Literal["nchw", "nhwc"]
OPTIONS = {"outputs": Outputs, "layout": Layout, "output": str}


class ONNXBox(FileBox):
    """An ONNX classifier as images (N, C, H, W), normalised as for any other, → logits.

    Args:
        file: the graph.
        outputs: what it returns.
        layout: of its input, where the shape does not tell; None: where it must.
        output: name of the output with the classes; None for the first.
        companions: files beside it that hold its weights.
    """

    differentiable = False

    def __init__(
        self,
        file: Path,
        outputs: Outputs = "logits",
        layout: Layout | None = None,
        output: str | None = None,
        companions: Sequence[str] = (),
    ) -> None:
        super().__init__(file, outputs, companions)
        self._sessions: dict[str, Any] = {}
        session = self._session(torch.device("cpu"))
        self.input, *others = session.get_inputs()
        if others:
            names = [each.name for each in session.get_inputs()]
            raise InputError(f"{file} has the inputs {names}; a classifier of images has one.")
        if len(self.input.shape) != 4 or self.input.type not in TYPES:
            raise InputError(f"{file} takes {self.input.type} {self.input.shape}; expected four dimensions of floats.")
        known = [each.name for each in session.get_outputs()]
        if output is not None and output not in known:
            raise InputError(f"{file} has no output {output!r}; it has {known}.")
        self.output = output or known[0]
        self.layout = layout or _layout(file, self.input.shape)
        batch = self.input.shape[0]
        self.batch = batch if isinstance(batch, int) else None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width where the graph fixes them."""
        shape = self.input.shape[2:] if self.layout == "nchw" else self.input.shape[1:3]
        return (shape[0], shape[1]) if all(isinstance(side, int) for side in shape) else None

    @property
    def channels(self) -> int | None:
        """Where the graph fixes their number."""
        count = self.input.shape[1 if self.layout == "nchw" else 3]
        return count if isinstance(count, int) else None

    def forward(self, images: Tensor) -> Tensor:
        answer = in_batches(self._answer, images, smallest=self.batch or 1, largest=self.batch)
        return as_logits(answer, self.outputs)

    def _answer(self, images: Tensor) -> Tensor:
        given = images.detach() if self.layout == "nchw" else images.detach().permute(0, 2, 3, 1)
        array = np.ascontiguousarray(given.float().cpu().numpy(), dtype=TYPES[self.input.type])
        session = self._session(images.device)
        # Its errors have a module of their own and no common base but Exception.
        try:
            (answer,) = session.run([self.output], {self.input.name: array})
        except Exception as error:
            raise InputError(
                f"{self.file} does not take images of shape {array.shape}, its input is {self.input.shape} "
                f"({first_line(error)}); give the preprocessing that it was made for."
            ) from error
        return torch.from_numpy(np.asarray(answer, np.float32)).to(images.device).flatten(1)

    def _session(self, device: torch.device) -> Any:
        """One for each device, made when it is asked for; files and threads are its own."""
        if str(device) not in self._sessions:
            runtime = _onnxruntime()
            cuda = device.type == "cuda" and "CUDAExecutionProvider" in runtime.get_available_providers()
            options = runtime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            options.log_severity_level = 3
            accelerator = [("CUDAExecutionProvider", {"device_id": device.index or 0})] if cuda else []
            providers = [*accelerator, "CPUExecutionProvider"]
            try:
                self._sessions[str(device)] = runtime.InferenceSession(str(self.file), options, providers=providers)
            except Exception as error:
                raise InputError(
                    f"{self.file} cannot be read as ONNX ({first_line(error)}); export it again."
                ) from error
        return self._sessions[str(device)]

    def __getstate__(self) -> dict[str, Any]:
        # A session cannot be pickled or copied; another is made where it is needed.
        return {
            **self.__dict__,
            "_sessions": {},
            "input": _Input(self.input.name, list(self.input.shape), self.input.type),
        }


class _Input:
    """What is kept of a session's input."""

    def __init__(self, name: str, shape: list[int | str | None], kind: str) -> None:
        self.name, self.shape, self.type = name, shape, kind


def load_onnx(name: str, weights: str | Path | None) -> Loaded:
    spec = f"onnx:{name}"
    name, options = split_options(name, OPTIONS, f"classifier {spec!r}")
    refuse_weights(spec, weights)
    file = existing(spec, name)
    _onnxruntime()
    box = ONNXBox(file, **options, companions=external_files(file))
    return Loaded(
        box,
        Source(f"onnx:{file.name}{join_options(options)}"),
        activation=None if box.outputs == "logits" else box.outputs,
        check=lambda preprocessing: _check_input(box, preprocessing),
    )


def _check_input(box: ONNXBox, preprocessing: Preprocessing) -> None:
    size = (preprocessing.height, preprocessing.width)
    if box.size not in (None, size):
        raise InputError(f"preprocessing: size is {size}, but {box.file} takes {box.size}; give that size.")
    if box.channels not in (None, preprocessing.channels):
        raise InputError(
            f"preprocessing: mean and std have {preprocessing.channels} numbers, but {box.file} takes "
            f"{box.channels} channels ({box.input.shape}, layout {box.layout}); give as many."
        )


def _layout(file: Path, shape: list[Any]) -> Layout:
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        raise InputError(f"{file} takes {shape}, which does not tell where the channels are; say ?layout=nchw or nhwc.")
    return "nchw" if first else "nhwc"


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise InputError("onnx: needs onnxruntime, which is not installed: pip install 'explanans[onnx]'.") from error
    return onnxruntime
