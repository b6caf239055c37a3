"""Explain a large picture tile by tile: what each tile shows, and which classes the whole then has."""

from __future__ import annotations

import dataclasses
import tempfile
import weakref

import torch
from PIL import Image
from torch import Tensor

from explanans.explanations.batch import Explained, Masker, Settings, explain_batch
from explanans.explanations.selection import Selection
from explanans.explanations.tiles import Tile, Tiled, Tiling
from explanans.images.reading import ImageError
from explanans.ops.windows import places
from explanans.utils.devices import like


def explain_tiles(
    masker: Masker,
    picture: Image.Image,
    settings: Settings,
    tiling: Tiling,
    requested: Tensor | None = None,
    name: str | None = None,
) -> tuple[Tiled, list[int]]:
    """Explain every tile of a picture, ``settings.batch_size`` at a time.

    A tile has a mask of a class where the classifier sees the class in this tile, by the rule of ``settings.selection``
    without its classes and its ``top_k``: these choose among the merged probabilities. A class that is asked for and
    seen nowhere has a mask in the one tile where it is most probable.

    Args:
        picture: RGB.
        requested: bool (C,), the classes asked for; None lets the probabilities decide.
        name: the picture's file, for messages.

    Returns:
        what was found, and the columns of the classes to explain, most probable first.

    Raises:
        ImageError: a network returns NaN for a tile.
    """
    explanandum = masker.explanandum
    across, down = min(tiling.size, picture.width), min(tiling.size, picture.height)
    lefts, tops = places(picture.width, across, tiling.overlap), places(picture.height, down, tiling.overlap)
    corners = [(top, left) for top in tops for left in lefts]
    alone = dataclasses.replace(settings, selection=Selection(threshold=settings.selection.threshold))
    tiled = Tiled(
        *(picture, tiling, lefts, tops, torch.zeros(0, explanandum.num_classes), torch.zeros(explanandum.num_classes)),
        shape=(explanandum.preprocessing.height, explanandum.preprocessing.width),
        file=tempfile.TemporaryFile(),  # noqa: SIM115 - closed when nobody needs it any more
    )
    weakref.finalize(tiled, tiled.file.close)
    among = requested
    if tiling.merge == "whole":
        image = explanandum.preprocessing(picture)[None].to(like(masker))
        with torch.no_grad():
            tiled.probabilities = explanandum.probabilities(image)[0].float().cpu()
        among = _chosen(masker, settings, tiled.probabilities, requested)
    answers = []
    for start in range(0, len(corners), settings.batch_size):
        some = corners[start : start + settings.batch_size]
        found = _explain(masker, picture, some, (down, across), alone, among, name)
        _keep(tiled, some, found)
        answers.append(found.probabilities.float().cpu())
    tiled.answers = torch.cat(answers)
    if tiling.merge != "whole":
        tiled.probabilities = tiled.answers.amax(0) if tiling.merge == "max" else tiled.answers.mean(0)
    chosen = _chosen(masker, settings, tiled.probabilities, requested)
    columns = sorted(chosen.nonzero()[:, 0].tolist(), key=lambda column: -float(tiled.probabilities[column]))
    for column in columns:
        if not tiled.of(column):
            best = [corners[int(tiled.answers[:, column].argmax())]]
            asked = torch.zeros(1, explanandum.num_classes, dtype=torch.bool)
            asked[0, column] = True
            _keep(tiled, best, _explain(masker, picture, best, (down, across), alone, None, name, asked))
    tiled.tiles = [tile for tile in tiled.tiles if chosen[tile.column]]
    return tiled, columns


def _chosen(masker: Masker, settings: Settings, probabilities: Tensor, requested: Tensor | None) -> Tensor:
    """bool (C,)."""
    if requested is not None:
        return requested.cpu()
    return settings.selection.seen(masker.explanandum, probabilities[None])[0]


def _explain(
    masker: Masker,
    picture: Image.Image,
    corners: list[tuple[int, int]],
    size: tuple[int, int],
    settings: Settings,
    among: Tensor | None,
    name: str | None,
    requested: Tensor | None = None,
) -> Explained:
    down, across = size
    crops = (picture.crop((left, top, left + across, top + down)) for top, left in corners)
    inputs = torch.stack([masker.explanandum.preprocessing(crop) for crop in crops]).to(like(masker))
    found = explain_batch(masker, inputs, settings, requested, among)
    for (top, left), failure in zip(corners, found.failures, strict=True):
        if failure:
            raise ImageError(f"the tile at {left}, {top}: {failure}", name)
    return found


def _keep(tiled: Tiled, corners: list[tuple[int, int]], found: Explained) -> None:
    offset = tiled.file.seek(0, 2)
    pairs = found.asked.nonzero().tolist()
    for (image, column), mask, receipt in zip(pairs, found.masks, found.receipts, strict=True):
        top, left = corners[image]
        tiled.file.write((mask.float() * 255).round().to(torch.uint8).cpu().numpy().tobytes())
        probability = float(found.probabilities[image, column])
        tiled.tiles.append(Tile(left, top, column, probability, receipt, offset))
        offset += tiled.shape[0] * tiled.shape[1]
