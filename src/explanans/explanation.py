"""What a user gets for a photo: the classes that the classifier sees, a mask for each, and a receipt."""

from __future__ import annotations

import itertools
import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from PIL import Image
from torch import Tensor, nn

from explanans import drawing
from explanans.class_explanation import ClassExplanation
from explanans.data.images import read_image
from explanans.errors import InputError
from explanans.explainer import Explainer, evaluating, upsample
from explanans.figure import describe_size, figure
from explanans.files import atomic_folder
from explanans.receipt import FILLS, Receipt, check_settings
from explanans.receipt import receipts as make_receipts
from explanans.selection import Selection
from explanans.targets import Target, class_index
from explanans.version import __version__

RESULT = "explanation.json"


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
        """The photo and a panel for each class; see :func:`explanans.figure.figure`."""
        notes = [describe_size(self.picture)]
        if not self.explained:
            notes += self._why_empty()
        title = Path(self.source).name if self.source else "photo"
        return figure(self.picture, [found.panel for found in self.explained], title, notes)

    def _why_empty(self) -> list[str]:
        name, probability = max(self.probabilities.items(), key=lambda item: item[1])
        return [f"no {self.rule}", f"most probable: {name} {probability:.3f}"]

    def save(self, folder: str | Path) -> Path:
        """Write the result: all of it, or nothing.

        ``figure.png``, ``explanation.json`` and for each class ``NAME-INDEX.mask.png`` (8-bit greyscale, 255 · mask),
        ``….overlay.png`` and ``….cutout.png`` at the photo's resolution. What a file name cannot hold becomes ``_`` in
        NAME; INDEX keeps the names apart. An earlier result in the folder is replaced.

        Raises:
            InputError: the folder holds other things.
            OSError: the disk is full or not writable; nothing has changed then.
        """
        folder = Path(folder)
        with atomic_folder(folder, replace_if_holds=RESULT) as temporary:
            self.figure().save(temporary / "figure.png")
            result = {
                "source": self.source,
                "width": self.picture.width,
                "height": self.picture.height,
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
            text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
            (temporary / RESULT).write_text(text + "\n", encoding="utf-8")
        return folder


def explain(
    explainer: Explainer,
    images: Any,
    *,
    classes: Target | None = None,
    threshold: float = 0.5,
    top_k: int | None = None,
    mask_threshold: float = 0.5,
    batch_size: int = 16,
    receipts: bool = True,
    fills: Sequence[str] = FILLS,
    seed: int = 0,
) -> Explanation | list[Explanation]:
    """Explain one photo, or each of a sequence of photos.

    Args:
        images: anything that :func:`explanans.data.images.read_image` takes, or a list, tuple, iterator, 4-D array or
            4-D tensor of these; kinds may be mixed.
        classes, top_k, threshold: which classes are explained, see :class:`explanans.selection.Selection`.
        mask_threshold: in (0, 1]; where a mask is binarised for its receipt and its outline.
        batch_size: photos, or masked photos, in one forward pass; it bounds the memory.
        receipts: whether to make them; they cost 2 · len(fills) forwards of the classifier for each mask.
        fills: what hides pixels in the receipts, see :func:`explanans.masking.make_fill`.
        seed: of fills that draw at random.

    Returns:
        One Explanation for one photo, a list in the photos' order for a sequence.

    Raises:
        ImageError: a photo cannot be read; the message names it.
        InputError: another argument cannot be used, or the networks return NaN.
    """
    sources, single = _as_list(images)
    explanandum = explainer.explanandum
    selection = Selection(classes, top_k, threshold)
    requested = selection.requested(explanandum, len(sources))
    fills = check_settings(fills, mask_threshold, batch_size)
    facts = {
        "settings": {
            **selection.to_dict(),
            "mask_threshold": mask_threshold,
            "fills": list(fills) if receipts else None,
            "seed": seed,
        },
        "classifier": explanandum.identity(),
        "explainer": {"mask_network": explainer.network_name, **explainer.facts},
    }
    results: list[Explanation] = []
    for start in range(0, len(sources), batch_size):
        batch = sources[start : start + batch_size]
        pictures = [read_image(source) for source in batch]
        with torch.no_grad(), evaluating(explainer):
            inputs = torch.stack([explanandum.preprocessing(picture) for picture in pictures]).to(_like(explainer))
            whole = explanandum.probabilities(inputs)
            _refuse_nan(whole, "the classifier's probabilities", range(start, start + len(batch)), sources)
            asked = selection.seen(explanandum, whole) if requested is None else requested[start : start + batch_size]
            asked = asked.to(whole.device)
            # Only what is asked for is enlarged: a thousand maps per photo would fill the memory.
            masks = upsample(explainer.head_logits(inputs)[asked][:, None], inputs.shape[-2:])[:, 0].sigmoid()
            _refuse_nan(masks, "the masks", (start + asked.nonzero()[:, 0]).tolist(), sources)
            made: Sequence[Receipt | None] = [None] * len(masks)
            if receipts:
                made = make_receipts(
                    explanandum,
                    inputs,
                    masks,
                    asked,
                    whole=whole,
                    fills=fills,
                    mask_threshold=mask_threshold,
                    batch_size=batch_size,
                    seed=seed,
                )
        pieces = list(zip(*asked.nonzero().T.tolist(), masks.float().cpu().numpy(), made, strict=True))
        for place, (source, picture, row) in enumerate(zip(batch, pictures, whole.tolist(), strict=True)):
            own = sorted((piece for piece in pieces if piece[0] == place), key=lambda piece: -row[piece[1]])
            colours = drawing.choose_colours([index for _, index, _, _ in own])
            explained = tuple(
                # The mask is copied, so that one explanation that is kept does not keep its whole batch.
                ClassExplanation(
                    explanandum.classes[index], index, row[index], mask.copy(), mask_threshold, receipt, picture, colour
                )
                for (_, index, mask, receipt), colour in zip(own, colours, strict=True)
            )
            probabilities = dict(zip(explanandum.classes, row, strict=True))
            results.append(
                Explanation(picture, explained, probabilities, _file_of(source), selection.rule(explanandum), facts)
            )
    return results[0] if single else results


def _as_list(images: Any) -> tuple[list[Any], bool]:
    """The photos, and whether it was a single one."""
    if isinstance(images, np.ndarray | Tensor):
        return (list(images), False) if images.ndim == 4 else ([images], True)
    one = isinstance(images, str | Path | Image.Image | bytes | bytearray | memoryview) or hasattr(images, "read")
    return ([images], True) if one or not isinstance(images, Iterable) else (list(images), False)


def _file_of(source: Any) -> str | None:
    """The file that a photo came from; what PIL opened from a file remembers it."""
    path = source if isinstance(source, str | Path) else getattr(source, "filename", getattr(source, "name", None))
    return str(path) if isinstance(path, str | Path) and str(path) else None


def _like(module: nn.Module) -> Tensor:
    """A tensor with the device and the type that a module computes in."""
    tensors = itertools.chain(module.parameters(), module.buffers())
    return next((tensor for tensor in tensors if tensor.is_floating_point()), torch.zeros(()))


def _refuse_nan(values: Tensor, what: str, places: Sequence[int], sources: Sequence[Any]) -> None:
    """``places`` says to which of the sources each of the values belongs."""
    bad = values.flatten(1).isnan().any(1).tolist()
    if any(bad):
        place = places[bad.index(True)]
        name = _file_of(sources[place]) or f"number {place}, counted from 0"
        raise InputError(f"{what} are NaN for image {name}; check the weights, and the image if only some do this.")
