"""Explain photos: read, batch, predict masks, ask for receipts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from explanans.errors import InputError
from explanans.explanations.class_explanation import ClassExplanation
from explanans.explanations.explanation import Explanation
from explanans.explanations.receipt import FILLS, Receipt, check_settings
from explanans.explanations.receipt import receipts as make_receipts
from explanans.explanations.selection import Selection
from explanans.images import drawing
from explanans.images.reading import read_image
from explanans.ops.refinement import enlarge
from explanans.ops.targets import Target
from explanans.utils.modes import evaluating

if TYPE_CHECKING:
    from explanans.explainers.explainer import Explainer


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
        images: anything that :func:`explanans.images.reading.read_image` takes, or a list, tuple, iterator, 4-D array
            or 4-D tensor of these; kinds may be mixed.
        classes, top_k, threshold: which classes are explained, see :class:`explanans.explanations.selection.Selection`.
        mask_threshold: in (0, 1]; where a mask is binarised for its receipt and its outline.
        batch_size: photos, or masked photos, in one forward pass; it bounds the memory.
        receipts: whether to make them; they cost 2 · len(fills) forwards of the classifier for each mask.
        fills: what hides pixels in the receipts, see :func:`explanans.ops.masking.make_fill`.
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
            masks = enlarge(explainer.head_logits(inputs)[asked][:, None], inputs.shape[-2:])[:, 0].sigmoid()
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
