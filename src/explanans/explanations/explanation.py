"""What a user gets for a photo: the classes that the classifier sees, a mask for each, and a receipt."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explanations import region_files
from explanans.explanations.class_explanation import PACKING, PICTURES, ClassExplanation
from explanans.explanations.figure import describe_size, figure
from explanans.explanations.html import explanation_html
from explanans.explanations.region import Region, RegionSettings
from explanans.explanations.region_figure import region_figure
from explanans.images import drawing
from explanans.ops.targets import class_index
from explanans.utils.files import atomic_folder
from explanans.utils.records import Kind, write_json
from explanans.version import __version__

RESULT = "explanation.json"
RECORD = Kind(
    "explanation",
    "delete the folder that it lies in, and repeat the command that made it",
    {
        "figure": str,
        "classes": [
            {
                "name": str,
                "probability": float,
                "receipt": (dict, NoneType),
                **dict.fromkeys(PICTURES, str),
            }
        ],
        "probabilities": dict,
    },
)


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """The result for one photo: ``explanation["dog"].mask``, iteration from the most probable class to the least.

    It is empty, and says so when printed, if the classifier sees none of its classes.

    Attributes:
        picture: the photo, RGB at its own resolution, upright.
        explained: the classes that are explained.
        probabilities: of every class of the classifier, by name, on the whole photo.
        source: the photo's file name where it came from a file.
        rule: how the classes were chosen, in words.
        facts: what made this result, for the saved file: settings, classifier, mask network.
    """

    picture: Image.Image
    explained: tuple[ClassExplanation, ...]
    probabilities: Mapping[str, float]
    source: str | None = None
    rule: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the photo."""
        return self.picture.size

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that are explained, most probable first."""
        return tuple(found.name for found in self.explained)

    def __iter__(self) -> Iterator[ClassExplanation]:
        return iter(self.explained)

    def __len__(self) -> int:
        return len(self.explained)

    def __contains__(self, target: object) -> bool:
        return any(target in (found.name, found.index, found) for found in self.explained)

    def __getitem__(self, target: str | int) -> ClassExplanation:
        """The explanation of a class, by its name or by its index among the classifier's classes."""
        index = class_index(target, list(self.probabilities))
        for found in self.explained:
            if found.index == index:
                return found
        name = list(self.probabilities)[index]
        raise InputError(
            f"{name!r} is not explained here, its probability is {self.probabilities[name]:.3f}; explained are "
            f"{self.rule}: {list(self.classes)}. Ask for it: explain(…, classes={name!r})."
        )

    def __repr__(self) -> str:
        if self.explained:
            return f"Explanation({', '.join(f'{found.name} {found.probability:.2f}' for found in self.explained)})"
        return f"Explanation({'; '.join(self._why_empty())})"

    def overlay(self, opacity: float = 0.6) -> Image.Image:
        """The photo, tinted in each class's colour, the most probable class on top."""
        drawn = self.picture.copy()
        for found in reversed(self.explained):
            drawn = drawing.overlay(drawn, found.mask, found.colour, opacity)
        return drawn

    def contour(self) -> Image.Image:
        """The photo with the outline of every class."""
        drawn = self.picture.copy()
        for found in reversed(self.explained):
            drawn = drawing.contour(drawn, found.mask, found.colour, found.mask_threshold)
        return drawn

    def cutout(self) -> Image.Image:
        """RGBA: the photo with the pixelwise maximum of the masks as its alpha channel."""
        union = np.zeros((self.picture.height, self.picture.width), np.float32)
        for found in self.explained:
            np.maximum(union, found.mask, out=union)
        return drawing.cutout(self.picture, union)

    def figure(self) -> Image.Image:
        """The photo and a panel for each class; see :func:`explanans.explanations.figure.figure`."""
        return figure(self.picture, self.explained, *self._caption())

    def regions(
        self, settings: RegionSettings | None = None, classifier: Explanandum | None = None
    ) -> tuple[Region, ...]:
        """Those of every class that is explained; see :meth:`ClassExplanation.regions`."""
        return tuple(region for found in self.explained for region in found.regions(settings, classifier))

    def region_figure(self, regions: Sequence[Region]) -> Image.Image:
        """The photo with outlines and numbers of regions, and what was measured of them."""
        return region_figure(self.picture, regions, self._caption()[0], self.size)

    def _repr_html_(self) -> str:
        """What a notebook shows; see :mod:`explanans.explanations.html`."""
        return explanation_html(self.picture, self.explained, *self._caption())

    def _caption(self) -> tuple[str, list[str]]:
        """The photo's title, and what else is to be said of it."""
        notes = [describe_size(self.size), *([] if self.explained else self._why_empty())]
        if method := self.facts.get("method"):
            notes.append(f"method: {method['name']}")
        return Path(self.source).name if self.source else "photo", notes

    def _why_empty(self) -> list[str]:
        name, probability = max(self.probabilities.items(), key=lambda item: item[1])
        return [f"no {self.rule}", f"most probable: {name} {probability:.3f}"]

    def save(self, folder: str | Path, regions: Sequence[Region] | None = None) -> Path:
        """Write the result: all of it, or nothing.

        ``figure.png``, ``explanation.json`` and for each class ``NAME-INDEX.mask.png`` (8-bit greyscale, 255 · mask),
        ``….overlay.png`` and ``….cutout.png`` at the photo's resolution. What a file name cannot hold becomes ``_`` in
        NAME; INDEX keeps the names apart. An earlier result in the folder is replaced.

        Args:
            regions: of :meth:`regions`; ``regions.json`` has their polygons and numbers
                (:func:`explanans.explanations.region_files.feature_collection`), ``regions.png`` shows them.

        Raises:
            InputError: the folder holds other things.
            OSError: the disk is full or not writable; nothing has changed then.
        """
        folder = Path(folder)
        with atomic_folder(folder, replace_if_holds=RESULT) as temporary:
            self.figure().save(temporary / "figure.png", compress_level=PACKING)
            result = {
                "source": self.source,
                **dict(zip(("width", "height"), self.size, strict=True)),
                "figure": "figure.png",
                "rule": self.rule,
                "classes": [found.save(temporary) for found in self.explained],
                "probabilities": dict(self.probabilities),
                **self.facts,
                "versions": {
                    "explanans": __version__,
                    "torch": torch.__version__,
                    "pillow": PIL.__version__,
                    "python": platform.python_version(),
                },
            }
            if regions is not None:
                self._save_regions(temporary, regions)
                result["regions"] = region_files.FILE
            write_json(temporary / RESULT, RECORD, result, allow_nan=False)
        return folder

    def _save_regions(self, folder: Path, regions: Sequence[Region]) -> None:
        classes = [{"name": each.name, "index": each.index, "probability": each.probability} for each in self.explained]
        content = region_files.feature_collection(regions, classes, self.source, *self.size)
        write_json(folder / region_files.FILE, region_files.KIND, content, indent=0, allow_nan=False)
        self.region_figure(regions).save(folder / region_files.PICTURE, compress_level=PACKING)
