"""Pictures of a report: photos with their masks, and where in the frame the masks of a class lie."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from explanans.audit.audited_photos import Photos
from explanans.audit.looking import Shard
from explanans.audit.pass_over import job_in
from explanans.audit.suspects import grid_of
from explanans.benchmark.report import page as html
from explanans.benchmark.report.demo_page import spotlight
from explanans.images import drawing
from explanans.utils.text import printable

WIDTH = 136
SHARDS = 4
"""That are kept open: masks of photos that lie together are asked for together."""


class Pictures:
    """Draws photos of an audit with the masks that it made.

    Args:
        out: folder of the audit.
        photos: of the audit.
    """

    def __init__(self, out: Path, photos: Photos) -> None:
        self.photos = photos
        self.job = job_in(out)
        self._shard = lru_cache(SHARDS)(lambda number: Shard(self.job.home / self.job.folder(number)))

    def cut_out(self, index: int, column: int, note: str = "") -> str:
        """A figure: the photo, grey where the mask of the class does not keep it; whole where there is no mask."""
        shard = self._shard(index // self.job.shard_size)
        mask, notes = None, ["not seen"]
        if column in shard.seen(index):
            mask = shard.mask(index, column).numpy()
            receipt = shard.receipts[index, column]
            notes = [f"{receipt['whole']:.2f}, kept {receipt['kept']:.2f}, removed {receipt['removed']:.2f}"]
        return self.spotlit(index, mask, self.photos.data.classes[column], [*notes, *([note] if note else [])])

    def spotlit(self, index: int, mask: NDArray[np.bool_] | None, name: str, notes: Sequence[str] = ()) -> str:
        """A figure: a photo, grey where the mask (H, W) does not keep it; ``name`` is of what is seen in it."""
        picture = self.photos.data.picture(index)
        picture = picture.resize(
            (WIDTH, max(1, round(picture.height * WIDTH / picture.width))), Image.Resampling.BICUBIC
        )
        if mask is not None:
            kept = drawing.resize_mask(mask.astype(np.float32), (picture.height, picture.width))
            picture = spotlight(picture, kept)
        caption = "<br>".join(escape(printable(line)) for line in (self.photos.data.names[index], *notes))
        return html.picture(picture, f"{name} in {self.photos.data.names[index]}", caption, WIDTH)

    def at(self, index: int, column: int, cells: Sequence[tuple[int, int]]) -> str:
        """A figure: the photo, grey but in these cells of the grid; whole without any."""
        return self.spotlit(index, grid_of(cells) if cells else None, self.photos.data.classes[column])

    def cut_outs(self, indices: list[int], column: int, most: int) -> str:
        return html.group("cells", [self.cut_out(index, column) for index in indices[:most]])


def frame(mean_mask: list[list[float]], name: str) -> str:
    """A figure of a mean mask: black where no mask of the class ever is, white where the most are."""
    values = np.array(mean_mask, np.float32)
    highest = float(values.max()) or 1.0
    cells = Image.fromarray(np.rint(255 * values / highest).astype(np.uint8)).resize(
        (WIDTH, WIDTH), Image.Resampling.NEAREST
    )
    return html.picture(cells, f"where the masks of {name} lie", f"white: in {highest:.0%} of the masks", WIDTH)
