"""A photo with the maps of all methods for its classes, every map in the same colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from explanans import metrics
from explanans.benchmark.report import page as html
from explanans.benchmark.report.heatmaps import COLOUR_MAP
from explanans.benchmark.results import Results
from explanans.data import LabelledImages
from explanans.images import drawing
from explanans.images.segmentations import not_void

OUTLINE: drawing.Colour = (255, 255, 255)
QUALITY = 70


@dataclass(frozen=True)
class Maps:
    """Everything that cells are drawn from.

    Attributes:
        data: the images; ``places`` has their positions by name.
        titles: of the methods, in the order in which they are shown.
        maps: by method and image, uint8 (C, H, W).
        states: by method and image, status and error.
        labels_only: methods that were asked for the maps of the labels and no others.
    """

    data: LabelledImages
    places: Mapping[str, int]
    titles: Mapping[str, str]
    maps: Mapping[str, Mapping[str, NDArray[np.uint8]]]
    states: Mapping[str, Mapping[str, tuple[str, str]]]
    labels_only: frozenset[str]

    @classmethod
    def read(cls, results: Results, classifier: str, methods: Sequence[str], data: LabelledImages) -> Maps:
        facts = results.settings["methods"]
        states = {}
        for method in methods:
            columns = (results.rows(classifier, method)[name].to_pylist() for name in ("image", "status", "error"))
            states[method] = {name: (status, error or "") for name, status, error in zip(*columns, strict=True)}
        return cls(
            data=data,
            places={name: place for place, name in enumerate(data.names)},
            titles={method: results.title(method) for method in methods},
            maps={method: results.maps(classifier, method) for method in methods},
            states=states,
            labels_only=frozenset(method for method in methods if facts[method].get("classes") == "labels"),
        )

    def card(self, name: str, width: int, note: str = "") -> str:
        """A row of cells for every class of the photo, and one, folded, for a class that it does not show.

        Args:
            width: of a cell's picture in pixels.
            note: stands behind the photo's name.
        """
        data, place = self.data, self.places[name]
        picture = data.picture(place)
        picture = picture.resize(
            (width, max(1, round(picture.height * width / picture.width))), Image.Resampling.LANCZOS
        )
        truth = data[place]["segmentation"].numpy() if data.has_segmentation else None
        labels = data.labels[place].bool().tolist()
        present = [c for c, shown in enumerate(labels) if shown]
        rows = [f"<h4>{escape(data.classes[c])}</h4>{self._row(name, c, True, picture, truth)}" for c in present]
        absent = _next_absent(labels, [name in data.background for name in data.classes])
        if absent is not None:
            rows.append(
                f"<details><summary>not in the photo: {escape(data.classes[absent])}</summary>"
                f"{self._row(name, absent, False, picture, truth)}</details>"
            )
        shown = escape(", ".join(data.classes[c] for c in present)) or "no class"
        about = escape(f"{name}, {note}" if note else name)
        return f'<section class="photo"><h3>{shown} <span class="soft">{about}</span></h3>{"".join(rows)}</section>'

    def _row(self, name: str, c: int, label: bool, picture: Image.Image, truth: NDArray[Any] | None) -> str:
        cells = [_cell(picture, f"photo {name}", "photo")]
        object_ = None
        if truth is not None and label:
            object_ = truth == c + 1
            void = _fitted((~not_void(truth)).astype(np.float32), picture)
            shown = _greyed(heat(picture, _fitted(object_.astype(np.float32), picture)), void)
            cells.append(_cell(shown, f"where {self.data.classes[c]} is in {name}", "true object"))
        for method, title in self.titles.items():
            text = f"{title} for {self.data.classes[c]} in {name}"
            fault = self._fault(method, name, label)
            if fault:
                cells.append(_cell(hatched(picture), f"{text}: {fault}", title, fault.partition(":")[0]))
                continue
            mask = self.maps[method][name][c].astype(np.float32) / 255
            shown, score = heat(picture, _fitted(mask, picture)), ""
            if object_ is not None and truth is not None:
                shown = drawing.contour(shown, _fitted(object_.astype(np.float32), picture), OUTLINE, width=0.8)
                score = f"IoU {_iou(mask, object_, not_void(truth)):.2f}"
            cells.append(_cell(shown, f"{text}, {score}" if score else text, title, score))
        return html.group("cells", cells)

    def _fault(self, method: str, name: str, label: bool) -> str:
        """Why there is nothing to show; "" where there is."""
        status, error = self.states[method].get(name, ("", ""))
        if status == "failed":
            return f"failed: {error}" if error else "failed"
        if status == "nan":
            return "NaN"
        if name not in self.maps[method]:
            return "no map kept"
        return "not asked for" if not label and method in self.labels_only else ""


def heat(picture: Image.Image, mask: drawing.Mask, opacity: float = 0.62) -> Image.Image:
    """The mask's colours over the photo in grey: grey · (1 − opacity) + colour · opacity, the same for all values.

    An opacity that followed the mask would show two masks of the same values differently on two photos.
    """
    drawing.check_size(picture, mask)
    grey = np.asarray(picture.convert("L"), np.float32)[:, :, None]
    colours = matplotlib.colormaps[COLOUR_MAP](mask)[:, :, :3].astype(np.float32) * 255
    return Image.fromarray(np.rint(grey * (1 - opacity) + colours * opacity).astype(np.uint8))


def hatched(picture: Image.Image) -> Image.Image:
    """The photo, pale, under diagonal lines: there is no map."""
    grey = np.asarray(picture.convert("L"), np.float32) * 0.35 + 130
    y, x = np.mgrid[: picture.height, : picture.width]
    grey[(x + y) % 12 < 2] = 40
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _cell(picture: Image.Image, text: str, title: str, below: str = "") -> str:
    caption = f"<b>{escape(title)}</b>" + (f"<br>{escape(below)}" if below else "")
    return html.picture(picture, text, caption, picture.width, quality=QUALITY)


def _next_absent(labels: Sequence[bool], background: Sequence[bool]) -> int | None:
    """The class behind the first label in the list that is no label and no background: chosen by nobody."""
    first = next((c for c, shown in enumerate(labels) if shown), 0)
    turned = [(first + step) % len(labels) for step in range(len(labels))]
    return next((c for c in turned if not labels[c] and not background[c]), None)


def _fitted(mask: drawing.Mask, picture: Image.Image) -> drawing.Mask:
    return drawing.resize_mask(mask, (picture.height, picture.width))


def _greyed(picture: Image.Image, void: drawing.Mask) -> Image.Image:
    """Void pixels, which nobody is judged by, in grey."""
    return Image.composite(Image.new("RGB", picture.size, (150, 150, 150)), picture, drawing.to_grey(void))


def _iou(mask: drawing.Mask, target: NDArray[np.bool_], valid: NDArray[np.bool_]) -> float:
    """Soft IoU of one class's map with its own objects, void left out."""
    fitted = torch.from_numpy(drawing.resize_mask(mask, target.shape))
    return float(metrics.soft_iou(fitted[None], torch.from_numpy(target)[None], torch.from_numpy(valid)[None]))
