"""Which pictures a box is shown: whole ones, and masked as an Explainer and as RISE mask them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from explanans.data import LabelledImages
from explanans.errors import InputError
from explanans.ops.masking import apply_mask, make_fill
from explanans.utils.seeds import mixed_seed

# One of so many queries is a whole picture, until each picture was shown whole once.
WHOLE_EVERY = 4
# And of the masked ones, one of so many is masked as RISE does; the others as an Explainer does.
RISE_EVERY = 3
RISE_CELLS = 7
# Raised with every change of what a number draws, since answers are kept by number.
DRAWN = 3
COARSEST, FINEST = 2, 10


class Queries(Dataset[Tensor]):
    """An endless list of pictures, of which the i-th follows from the data set, the seed and i alone.

    Every fourth is a whole picture as long as there are any that were not shown whole. The others are masked, each
    over a fill that is drawn (mean colour, blur, noise):

    - one in three as RISE does: 7 × 7 random cells, bilinearly enlarged and shifted, seen with a probability that is
      drawn from [0.1, 0.9];
    - two in three as an Explainer does: a smooth random field with 2 to 10 bumps a side, cut so that a drawn share of
      the picture is seen; every second time binary, as receipts and objectives show masks, otherwise soft. The share is
      uniform, so what a mask removes is shown as often as what it keeps.

    Args:
        dataset: pictures without augmentation.
        seed: of everything that is drawn.
        fill: see :func:`explanans.ops.masking.make_fill`.
    """

    def __init__(self, dataset: LabelledImages, seed: int = 0, fill: str = "mean+blur+noise") -> None:
        if dataset.augment is not None:
            raise InputError("queries: the data set augments its pictures; give one that does not.")
        self.dataset = dataset
        self.seed = seed
        self.fill_name = fill
        self.fill = make_fill(fill, dataset.preprocessing)
        self._orders: dict[int, list[int]] = {}

    def __getitem__(self, number: int) -> Tensor:
        """(channels, H, W), normalised."""
        picture, whole = self.picture_of(number)
        image = self.dataset[picture]["image"]
        if whole:
            return image
        # Two numbers into one seed without collisions for those that occur.
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, number))
        mask = self._mask(number, (image.shape[-2], image.shape[-1]), generator)
        return apply_mask(image[None], mask[None], self.fill(image[None], generator))[0]

    def picture_of(self, number: int) -> tuple[int, bool]:
        """Position in the data set, and whether it is shown whole."""
        count = len(self.dataset)
        shown_whole = number // WHOLE_EVERY
        if number % WHOLE_EVERY == 0 and shown_whole < count:
            return self._order(0)[shown_whole], True
        masked = number - min(shown_whole + 1, count)
        return self._order(1 + masked // count)[masked % count], False

    def name_of(self, number: int) -> str:
        """The picture's own name, for messages."""
        return self.dataset.names[self.picture_of(number)[0]]

    def _order(self, turn: int) -> list[int]:
        if turn not in self._orders:
            generator = torch.Generator().manual_seed((self.seed << 20) + turn)
            self._orders[turn] = torch.randperm(len(self.dataset), generator=generator).tolist()
        return self._orders[turn]

    def _mask(self, number: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        if number % RISE_EVERY == 0:
            seen = 0.1 + 0.8 * float(torch.rand((), generator=generator))
            cells = (torch.rand(1, 1, RISE_CELLS, RISE_CELLS, generator=generator) < seen).float()
            return _shifted(cells, size, generator)
        bumps = int(torch.randint(COARSEST, FINEST + 1, (), generator=generator))
        field = torch.randn(1, 1, bumps, bumps, generator=generator)
        field = functional.interpolate(field, size, mode="bicubic", align_corners=False)[0, 0]
        share = float(torch.rand((), generator=generator))
        field = field - field.flatten().quantile(1 - share)
        binary, sharpness = torch.rand(2, generator=generator).tolist()
        return (field > 0).float() if binary < 0.5 else (field * (2 + 10 * sharpness)).sigmoid()


def _shifted(cells: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """RISE's mask: enlarged to one cell more than the picture, cut out at a random shift."""
    cell = [-(-side // RISE_CELLS) for side in size]
    large = [(RISE_CELLS + 1) * each for each in cell]
    enlarged = functional.interpolate(cells, large, mode="bilinear", align_corners=False)[0, 0]
    top, left = (int(torch.randint(each, (), generator=generator)) for each in cell)
    return enlarged[top : top + size[0], left : left + size[1]]


def batches(queries: Queries, first: int, last: int, size: int) -> Iterator[Tensor]:
    """Queries ``first`` … ``last`` − 1, stacked ``size`` at a time."""
    for start in range(first, last, size):
        yield torch.stack([queries[number] for number in range(start, min(start + size, last))])
