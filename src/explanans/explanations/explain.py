"""Explain photos: read, batch, predict masks, ask for receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explanations.asking import Asking
from explanans.explanations.batch import Explained, Masker, Settings, explain_batch
from explanans.explanations.by_method import ByMethod
from explanans.explanations.choice import CALLS
from explanans.explanations.class_explanation import ClassExplanation
from explanans.explanations.explanation import Explanation
from explanans.explanations.receipt import FILLS
from explanans.explanations.selection import Selection
from explanans.explanations.tiled_explanation import tiled_explanation
from explanans.explanations.tiles import Merge, Tiling
from explanans.images import drawing
from explanans.images.reading import ImageError, read_image
from explanans.methods import Method
from explanans.ops.targets import Target
from explanans.utils.devices import like


def explain(
    classifier: Explanandum | Masker,
    images: Any,
    *,
    method: str | Method | None = None,
    method_options: Mapping[str, Any] | None = None,
    calls: int = CALLS,
    classes: Target | None = None,
    threshold: float | None = None,
    top_k: int | None = None,
    mask_threshold: float = 0.5,
    batch_size: int = 16,
    receipts: bool = True,
    fills: Sequence[str] = FILLS,
    seed: int = 0,
    tile: int | None = None,
    overlap: float = 0.5,
    merge: Merge = "max",
    progress: bool = True,
) -> Explanation | list[Explanation]:
    """Explain one photo, or each of a sequence of photos.

    Without training: the maps of a method are cut into masks by asking the classifier
    (:func:`explanans.explanations.cut.choose_cuts`). A trained Explainer predicts its masks.

    Args:
        classifier: the classifier, or a trained Explainer. ``method`` explains an Explainer's classifier instead.
        images: anything that :func:`explanans.images.reading.read_image` takes, or a list, tuple, iterator, 4-D array
            or 4-D tensor of these; kinds may be mixed.
        method: a name of :data:`explanans.methods.METHODS` or a method made for the classifier; None takes the
            Explainer, and for a classifier the best that it allows
            (:func:`explanans.explanations.choice.choose_method`), which ``explanation.facts["method"]`` names.
        method_options: settings of a method that is given by its name, such as ``{"layer": "layer3"}``.
        calls: how often a classifier without gradients is asked for each image, where the method is chosen.
        classes, top_k, threshold: which classes are explained, see :class:`explanans.explanations.selection.Selection`.
        mask_threshold: in (0, 1]; where a mask is binarised for its receipt and its outline.
        batch_size: photos, or masked photos, in one forward pass; it bounds the memory.
        receipts: whether to make them; they cost 2 · len(fills) + 2 forwards of the classifier for each mask.
        fills: what hides pixels in the receipts, see :func:`explanans.ops.masking.make_fill`.
        seed: of methods and fills that draw at random.
        tile, overlap, merge: explain photos in overlapping tiles of so many pixels, each as a photo of its own, and
            blend their masks; see :class:`explanans.explanations.tiles.Tiling`. None for whole photos.
        progress: show on standard error how far it is and what it will cost, where a method asks the classifier
            hundreds of times and that takes more than some seconds.

    Returns:
        One Explanation for one photo, a list in the photos' order for a sequence.

    Raises:
        ImageError: a photo cannot be read, or the networks return NaN for it; the message names it.
        InputError: another argument cannot be used.
    """
    masker = masker_of(classifier, method, method_options, calls=calls, batch_size=batch_size, seed=seed)
    sources, single = _as_list(images)
    selection = Selection(classes, top_k, threshold)
    requested = selection.requested(masker.explanandum, len(sources))
    settings = Settings(selection, mask_threshold, receipts, fills, batch_size, seed)
    results: list[Explanation] = []
    tiling = None if tile is None else Tiling(tile, overlap, merge)
    together = 1 if tiling else pictures_together(masker, settings)
    show = progress and masker.asks_often
    with Asking(masker, len(sources), settings, requested, tiles=tiling is not None, show=show) as asking:
        for start in range(0, len(sources), together):
            batch = slice(start, start + together)
            pictures = [read_image(source) for source in sources[batch]]
            names = [_file_of(source) for source in sources[batch]]
            rows = None if requested is None else requested[batch]
            if tiling is not None:
                row = None if rows is None else rows[0]
                results.append(tiled_explanation(masker, pictures[0], settings, tiling, names[0], row))
            else:
                results += _all_good(explain_pictures(masker, pictures, settings, names, rows), start)
            asking.reached(len(results))
    return results[0] if single else results


def _all_good(found: Sequence[Explanation | ImageError], start: int) -> list[Explanation]:
    """Raises the first failure; ``start`` is the number of the first image."""
    for place, each in enumerate(found):
        if isinstance(each, ImageError):
            raise each if each.path else ImageError(f"image number {start + place}, counted from 0: {each.reason}")
    return [each for each in found if isinstance(each, Explanation)]


def pictures_together(masker: Masker, settings: Settings) -> int:
    """Pictures that are explained at once: one where a method asks often, so that what is finished is finished soon."""
    return 1 if masker.asks_often else settings.batch_size


def masker_of(
    classifier: Explanandum | Masker,
    method: str | Method | None = None,
    method_options: Mapping[str, Any] | None = None,
    *,
    calls: int = CALLS,
    batch_size: int = 16,
    seed: int = 0,
) -> Masker:
    """What explains: the Explainer that is given, or a classifier with a method; arguments as for :func:`explain`."""
    if isinstance(classifier, Masker) and method is None and not method_options:
        return classifier
    explanandum = classifier.explanandum if isinstance(classifier, Masker) else classifier
    if not isinstance(explanandum, Explanandum):
        raise InputError(
            f"classifier is a {type(explanandum).__name__}; give Explanandum.load(NAME), Explanandum(module, …), "
            "or a trained Explainer."
        )
    made = ByMethod(explanandum, method, method_options, calls=calls, batch_size=batch_size, seed=seed)
    # A trained Explainer that was named as a method has masks already, which are not to be cut.
    return made.method if isinstance(made.method, Masker) else made


def explain_pictures(
    masker: Masker,
    pictures: Sequence[Image.Image],
    settings: Settings,
    names: Sequence[str | None],
    requested: Tensor | None = None,
) -> list[Explanation | ImageError]:
    """A batch of pictures that are read: an Explanation of each, or why there is none.

    Args:
        pictures: RGB, at their own resolution.
        names: the files that they came from, where they did.
        requested: see :func:`~explanans.explanations.batch.explain_batch`.
    """
    explanandum = masker.explanandum
    inputs = torch.stack([explanandum.preprocessing(picture) for picture in pictures]).to(like(masker))
    found = explain_batch(masker, inputs, settings, requested)
    facts = {"settings": settings.to_dict(), "classifier": explanandum.identity(), **masker.made_by()}
    rule = settings.selection.rule(explanandum)
    results: list[Explanation | ImageError] = []
    for place, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        if found.failures[place]:
            results.append(ImageError(found.failures[place], name))
            continue
        explained = _classes_of(place, picture, found, explanandum.classes, settings.mask_threshold)
        probabilities = dict(zip(explanandum.classes, found.probabilities[place].tolist(), strict=True))
        results.append(Explanation(picture, explained, probabilities, name, rule, facts))
    return results


def _classes_of(
    place: int, picture: Image.Image, found: Explained, classes: Sequence[str], mask_threshold: float
) -> tuple[ClassExplanation, ...]:
    """The classes that are explained in one picture of a batch, most probable first."""
    pairs = [(row, column) for row, (image, column) in enumerate(found.asked.nonzero().tolist()) if image == place]
    pairs.sort(key=lambda pair: -float(found.probabilities[place, pair[1]]))
    return tuple(
        ClassExplanation(
            classes[column],
            column,
            float(found.probabilities[place, column]),
            # Copied, so that one explanation that is kept does not keep its whole batch.
            found.masks[row].float().cpu().numpy().copy(),
            mask_threshold,
            found.receipts[row],
            picture,
            drawing.colour_of(column),
        )
        for row, column in pairs
    )


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
