"""What a classifier says about masked images: what masks keep, what they remove, and what they keep elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explanations.selection import Selection
from explanans.ops.masking import apply_mask, make_fill


class Answers(NamedTuple):
    """What a classifier says about P masks.

    Attributes:
        own: (P, F, 2), the mask's class on what it keeps and on what it removes, under each of F fills.
        moved: (P, 2), the mask's class on what the mask keeps in two other places, under the first fill.
        seen: bool (N, C), the classes that it sees in the whole images.
        others: (P, K), the K classes that are seen in any image, on what the mask keeps: the lowest over the fills.
    """

    own: Tensor
    moved: Tensor
    seen: Tensor
    others: Tensor

    def values(self) -> Tensor:
        """All of them, (P, 2 · F + 2 + K)."""
        return torch.cat([self.own.flatten(1), self.moved, self.others], 1)

    def of(self, stays: Tensor) -> Answers:
        """Those of the masks for which ``stays`` (P,) is true."""
        return Answers(self.own[stays], self.moved[stays], self.seen, self.others[stays])


@torch.no_grad()
def masked_answers(
    explanandum: Explanandum,
    images: Tensor,
    kept: Tensor,
    asked: Tensor,
    whole: Tensor,
    fills: Sequence[str],
    batch_size: int,
    seed: int = 0,
) -> Answers:
    """What the P classes asked for are on what masks keep, on what they remove, and on what they keep elsewhere.

    Args:
        kept: bool (P, H, W), in the order of ``asked.nonzero()``.
        whole: probabilities (N, C) on the whole images.
        fills, batch_size, seed: as for :func:`receipts`.
    """
    pairs, count = int(asked.sum()), len(fills)
    height, width = images.shape[-2:]
    if asked.shape != (len(images), explanandum.num_classes) or kept.shape != (pairs, height, width):
        raise InputError(
            f"receipts: images {tuple(images.shape)}, masks {tuple(kept.shape)}, asked {tuple(asked.shape)} with "
            f"{pairs} true; expected asked ({len(images)}, {explanandum.num_classes}) and masks "
            f"({pairs}, {height}, {width}): class_masks[asked]."
        )
    image, column = asked.nonzero(as_tuple=True)
    seen = Selection().seen(explanandum, whole)
    columns = seen.any(0).nonzero().flatten()
    backgrounds = torch.stack([_background(explanandum, name, images, seed) for name in fills])
    moves = [kept.roll((step * (height // 3), step * (width // 3)), (1, 2)) for step in (1, -1)]
    shown = torch.stack([kept, ~kept, *moves], 1)
    # First each pair's fills, kept and removed in turns; then each pair's two moves.
    pair = torch.arange(pairs, device=images.device)
    pair = torch.cat([pair.repeat_interleave(2 * count), pair.repeat_interleave(2)])
    job = torch.arange(len(pair), device=images.device)
    first = job < 2 * count * pairs
    fill = torch.where(first, job // 2 % count, 0)
    place = torch.where(first, 0, 2) + job % 2
    own, others = [images.new_zeros(0, dtype=torch.float32)], [images.new_zeros(0, len(columns), dtype=torch.float32)]
    for some in job.split(batch_size):
        of = pair[some]
        masked = apply_mask(images[image[of]], shown[of, place[some]], backgrounds[fill[some], image[of]])
        answers = explanandum.probabilities(explanandum.laid_out(masked))
        own.append(answers.gather(1, column[of, None])[:, 0])
        others.append(answers[place[some] == 0][:, columns])
    asked_own = torch.cat(own)
    return Answers(
        asked_own[first].view(pairs, count, 2),
        asked_own[~first].view(pairs, 2),
        seen,
        torch.cat(others).view(pairs, count, len(columns)).amin(1),
    )


def _background(explanandum: Explanandum, name: str, images: Tensor, seed: int) -> Tensor:
    fill = make_fill(name, explanandum.preprocessing)
    generator = torch.Generator(device=images.device)
    # One at a time and seeded anew, so that a receipt does not depend on an image's place in its batch.
    drawn = [fill(image, generator.manual_seed(seed)) for image in images.split(1)]
    return torch.cat(drawn) if drawn else images
