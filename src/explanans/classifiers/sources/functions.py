"""function:package.module:name, a Python function that answers pictures: a remote service, another framework."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from explanans.classifiers.sources.shared.base import Loaded, Source
from explanans.classifiers.sources.shared.boxes import Outputs, as_logits, in_batches, refuse_weights
from explanans.classifiers.sources.shared.imported import imported
from explanans.classifiers.sources.shared.reductions import Reduction, score_of_boxes, score_of_pixels
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.query_options import split_options
from explanans.utils.typed import Count

OPTIONS = {
    "outputs": Outputs,
    "reduce": Reduction,
    "size": Count,
    "batch": Count,
    "retries": Annotated[int, 0],
    "version": str,
}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FIRST_WAIT = 0.5

Function = Callable[[Any], Any]


class FunctionBox(nn.Module):
    """Pictures, uint8 (N, H, W, 3) in a NumPy array, → probabilities (N, C), as images → logits without gradients.

    A call that raises is repeated, after 0.5 s, 1 s, 2 s, …; what it returns is checked.

    Args:
        function: what is called.
        name: of the function, for messages and its identity.
        outputs: "softmax" or "sigmoid" probabilities, or "logits".
        reduce: for a function that finds boxes or says a probability for every pixel: how they become one for each
            class (:mod:`explanans.classifiers.sources.shared.reductions`).
        batch: pictures per call at most.
        retries: how often a call is repeated.
        version: part of the identity; change it when the service changes.
    """

    differentiable = False

    def __init__(
        self,
        function: Function,
        name: str,
        *,
        outputs: Outputs,
        batch: int = 32,
        retries: int = 3,
        version: str = "",
        reduce: Reduction | None = None,
    ) -> None:
        super().__init__()
        if reduce is not None and outputs != "sigmoid":
            raise InputError(
                f"{name}: outputs={outputs!r}, but with reduce={reduce!r} each class has a probability of its own; say "
                "outputs=sigmoid, or leave reduce out."
            )
        self.function, self.name, self.outputs = function, name, outputs
        self.batch, self.retries, self.version = batch, retries, version
        self.reduce = reduce
        self.preprocessing: Preprocessing | None = None
        self.classes: tuple[str, ...] = ()

    def bind(self, preprocessing: Preprocessing, classes: tuple[str, ...]) -> None:
        """Learn how normalised tensors become pictures again, and what labels mean."""
        self.preprocessing, self.classes = preprocessing, classes

    def content_hash(self) -> str:
        """SHA-256 of name and version: nobody can look into a service."""
        return hashlib.sha256(f"{self.name}|{self.version}".encode()).hexdigest()

    def forward(self, images: Tensor) -> Tensor:
        return as_logits(in_batches(self._answer, images, largest=self.batch), self.outputs)

    def _answer(self, images: Tensor) -> Tensor:
        assert self.preprocessing is not None, "an Explanandum binds its preprocessing"
        pixels = self.preprocessing.denormalise(images.detach().float()) * 255
        pictures = pixels.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        answer = self._asked(pictures)
        if self.reduce is not None:
            return self._reduced(answer, len(pictures)).to(images.device)
        try:
            values = torch.from_numpy(np.asarray(answer, np.float32).copy())
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.name} returned a {type(answer).__name__} that is no array of numbers.") from error
        if values.ndim != 2 or len(values) != len(pictures):
            raise InputError(
                f"{self.name} returned shape {tuple(values.shape)} for {len(pictures)} pictures; expected (N, classes)."
            )
        if not values.isfinite().all():
            raise InputError(f"{self.name} returned NaN or infinity; its answers must be numbers.")
        return values.to(images.device)

    def _reduced(self, answer: Any, pictures: int) -> Tensor:
        """Probabilities (N, C) of boxes, a mapping for each picture, or of pixels (N, C, h, w)."""
        assert self.reduce is not None
        if isinstance(answer, list | tuple) and all(isinstance(each, Mapping) for each in answer):
            if len(answer) != pictures:
                raise InputError(f"{self.name} returned boxes of {len(answer)} pictures for {pictures}.")
            return score_of_boxes(answer, self._column, len(self.classes), self.reduce)
        try:
            values = torch.from_numpy(np.asarray(answer, np.float32).copy())
        except (TypeError, ValueError):
            values = torch.zeros(0)
        if values.ndim != 4 or values.shape[:2] != (pictures, len(self.classes)):
            shape = f" of shape {tuple(values.shape)}" if len(values) else ""
            raise InputError(
                f"{self.name} returned a {type(answer).__name__}{shape}; with "
                f"reduce={self.reduce!r} expected a list with 'boxes', 'scores' and 'labels' for each of "
                f"{pictures} pictures, or an array (N, {len(self.classes)}, h, w) of probabilities."
            )
        if not values.isfinite().all():
            raise InputError(f"{self.name} returned NaN or infinity; its answers must be numbers.")
        return score_of_pixels(values, self.reduce)

    def _column(self, label: Any) -> int:
        """Labels are names of classes, or their places."""
        if isinstance(label, str) and label in self.classes:
            return self.classes.index(label)
        if isinstance(label, int) and 0 <= label < len(self.classes):
            return label
        raise InputError(
            f"{self.name} found {label!r}, which is not a class; labels are names of classes or their places from 0 to "
            f"{len(self.classes) - 1}. Leave out boxes of what is to be no class."
        )

    def _asked(self, pictures: np.ndarray) -> Any:
        for turn in range(self.retries + 1):
            try:
                return self.function(pictures)
            except InputError:
                raise
            except Exception as error:
                if turn == self.retries:
                    raise InputError(
                        f"{self.name} failed {turn + 1} times, last with {type(error).__name__}: {error}. Mend the "
                        "service and repeat the command; what was answered before is kept where answers are kept."
                    ) from error
                time.sleep(FIRST_WAIT * 2**turn)
        raise AssertionError("unreachable")

    def __deepcopy__(self, memo: object) -> FunctionBox:
        return self


def load_function(name: str, weights: str | Path | None) -> Loaded:
    spec = f"function:{name}"
    name, options = split_options(name, OPTIONS, f"classifier {spec!r}")
    refuse_weights(spec, weights)
    package, _, attribute = name.partition(":")
    function = imported(spec, package, attribute)
    if "reduce" in options:
        options.setdefault("outputs", "sigmoid")
    if "outputs" not in options:
        raise InputError(f"classifier {spec!r}: say what it returns: ?outputs=softmax, sigmoid or logits.")
    size = options.pop("size", None)
    box = FunctionBox(function, name, **options)
    return Loaded(
        box,
        Source(spec),
        activation=None if box.outputs == "logits" else box.outputs,
        # The function sees pixels; how they are normalised on the way concerns only what learns from it.
        preprocessing=None if size is None else Preprocessing(size, IMAGENET_MEAN, IMAGENET_STD),
    )
