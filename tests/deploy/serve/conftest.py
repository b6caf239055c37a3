"""A masker whose masks are known by hand: of each colour its own channel."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.deploy.serve import Limits, make_app
from explanans.explanations.batch import Draw, Masker
from explanans.images.preprocessing import Preprocessing

CLASSES = ("red", "green", "blue", "bright, pale", "<script>alert(1)</script>")
SIZE = 24


class MeanColours(nn.Module):
    """Logits (N, 5): eight times the mean of each channel, of all, and their negative."""

    def forward(self, images: Tensor) -> Tensor:
        means = images.mean((2, 3))
        every = means.mean(1, keepdim=True)
        return 8 * torch.cat([means, every, -every], 1)


class Channels(Masker):
    """The mask of a colour is its channel in [0, 1]; of the others the mean of all, and its complement.

    Attributes:
        gate: nothing is answered while it is closed.
        sizes: of the batches that were seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.explanandum = Explanandum(
            MeanColours(),
            classes=CLASSES,
            activation="softmax",
            preprocessing=Preprocessing(SIZE, (0.5,) * 3, (0.25,) * 3),
        )
        self.gate, self.sizes = threading.Event(), []
        self.gate.set()

    def look(self, images: Tensor) -> tuple[Tensor, Draw]:
        self.sizes.append(len(images))
        self.gate.wait()
        pixels = self.explanandum.preprocessing.denormalise(images)
        if (pixels.amax((1, 2, 3)) == 0).any():
            raise RuntimeError("a black picture")
        every = pixels.mean(1, keepdim=True)
        masks = torch.cat([pixels, every, 1 - every], 1)
        return self.explanandum.probabilities(images), lambda asked: masks[asked]

    def identity(self) -> dict[str, Any]:
        return {"masker": "channels", "classifier": self.explanandum.identity()}

    def made_by(self) -> dict[str, Any]:
        return {"masker": "channels"}


@pytest.fixture
def masker() -> Iterator[Channels]:
    made = Channels()
    yield made
    made.gate.set()


@pytest.fixture
def app(masker: Channels) -> Any:
    return make_app(masker, limits=Limits(), threads=1)


def photo(seed: int = 0, width: int = 40, height: int = 30) -> Image.Image:
    """Soft blobs of colour, more red than blue."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3)) * np.array([1.0, 0.6, 0.3])
    return Image.fromarray(coarse.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def make_photo() -> Callable[..., Image.Image]:
    return photo


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    return encoded
