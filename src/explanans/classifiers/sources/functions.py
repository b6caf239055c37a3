"""function:package.module:name, a Python function that answers pictures: a remote service, another framework."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn

from explanans.classifiers.sources.shared.base import Loaded, Source
from explanans.classifiers.sources.shared.boxes import Outputs, as_logits, in_batches, refuse_weights
from explanans.classifiers.sources.shared.imported import imported
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.query_options import split_options
from explanans.utils.typed import Count

OPTIONS = {"outputs": Outputs, "size": Count, "batch": Count, "retries": Annotated[int, 0], "version": str}
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
    ) -> None:
        super().__init__()
        self.function, self.name, self.outputs = function, name, outputs
        self.batch, self.retries, self.version = batch, retries, version
        self.preprocessing: Preprocessing | None = None

    def bind(self, preprocessing: Preprocessing) -> None:
        """Learn how normalised tensors become pictures again."""
        self.preprocessing = preprocessing

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
