"""Why this class and not that one: what speaks for one of two classes more than for the other, hidden and asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from explanans.audit.audited_photos import Photos
from explanans.audit.confusions import Confusion
from explanans.audit.intervals import Effect, difference
from explanans.audit.suspects.interventions import Interventions
from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.batch import Masker, Settings, explain_batch
from explanans.explanations.by_method import ByMethod
from explanans.explanations.selection import Selection
from explanans.methods import METHODS


class Between(nn.Module):
    """The logits of two classes over one another, (z_a − z_b, z_b − z_a).

    The sigmoid of the first is the probability of a, by softmax, where it is one of the two.
    """

    def __init__(self, explanandum: Explanandum, first: int, second: int) -> None:
        super().__init__()
        self.explanandum, self.pair = explanandum, (first, second)
        self.differentiable = explanandum.differentiable

    def forward(self, images: Tensor) -> Tensor:
        first, second = self.explanandum(images)[:, self.pair].unbind(1)
        return torch.stack([first - second, second - first], 1)


SHOWN = 8
"""Photos of each pair that are shown; the others are asked what hiding does."""


@dataclass(frozen=True)
class Contrast:
    """Two classes that are confused, and where the classifier looks to tell them apart.

    Attributes:
        confusion: which, how often.
        effect: share of the photos with more for ``seen`` than for ``label`` in which it is the other way round once
            what speaks for ``seen`` is hidden, less that share where the mask of the next photo is.
        indices: photos.
        seen_over_label: their masks, bool (N, H, W).
        label_over_seen: of the first eight of them, or fewer where one of these failed.
    """

    confusion: Confusion
    effect: Effect
    indices: list[int]
    seen_over_label: NDArray[np.bool_]
    label_over_seen: NDArray[np.bool_]

    def facts(self) -> dict[str, Any]:
        """Without the masks."""
        return {**asdict(self.confusion), "effect": asdict(self.effect)}


def contrasts(masker: Masker, photos: Photos, confused: Sequence[Confusion], *, batch_size: int = 16) -> list[Contrast]:
    """Contrastive masks of each pair: of the classifier :class:`Between` the two, by the method of the audit.

    On networks with layers they come from the gradient of the difference of two logits, as in contrastive Grad-CAM
    (Prabhushankar et al., ICIP 2020). A trained Explainer, or a method with settings of its own, gives way to what is
    taken where nobody names a method.

    Args:
        masker: of the audit.
        batch_size: photos in one forward pass.
    """
    explanandum = masker.explanandum
    named = masker.name if isinstance(masker, ByMethod) and not masker.settings and masker.name in METHODS else None
    places = {name: place for place, name in enumerate(explanandum.classes)}
    found = []
    for each in confused:
        names = (each.seen, each.label)
        pair = Explanandum(
            Between(explanandum, places[each.seen], places[each.label]),
            classes=names,
            activation="sigmoid",
            preprocessing=explanandum.preprocessing,
        )
        by_method = ByMethod(pair, named, batch_size=batch_size).whole_evidence()
        asked = Interventions(pair, photos, Selection(), batch_size)
        kept, good = _masks(by_method, asked, each.examples, batch_size)
        indices = [index for index, there in zip(each.examples, good.tolist(), strict=True) if there]
        seen, label = kept[good].unbind(1)
        shown = int(good[:SHOWN].sum())
        effect = _effect(asked, indices, seen)
        found.append(Contrast(each, effect, indices, seen.cpu().numpy(), label[:shown].cpu().numpy()))
    return found


def _masks(masker: ByMethod, asked: Interventions, indices: list[int], batch_size: int) -> tuple[Tensor, Tensor]:
    """Of both classes over the other, bool (N, 2, H, W), of the second in the first eight photos alone.

    And bool (N,), whether a photo could be explained.
    """
    settings = Settings(receipts=False, batch_size=batch_size)
    found, good = [], []
    for start in range(0, len(indices), batch_size):
        images = asked.images(indices[start : start + batch_size])
        wanted = torch.ones(len(images), 2, dtype=torch.bool, device=images.device)
        wanted[max(0, SHOWN - start) :, 1] = False
        made = explain_batch(masker, images, settings, wanted)
        kept = torch.zeros(len(images), 2, *images.shape[-2:], dtype=torch.bool, device=images.device)
        kept[made.asked] = made.masks >= settings.mask_threshold
        found.append(kept)
        good.append(made.asked[:, 0])
    return torch.cat(found), torch.cat(good)


def _effect(asked: Interventions, indices: list[int], hidden: Tensor) -> Effect:
    """Of hiding each photo's mask, against that of the next photo, where the first class has more."""
    images = asked.images(indices) if indices else torch.zeros(0)
    first = asked.sees(images, 0) if indices else torch.zeros(0, dtype=torch.bool)
    images, hidden = images[first], hidden[first]
    if len(images) < 2:
        return difference(0, 0, 0, 0)
    stays, control = (asked.sees_without(images, each, 0) for each in (hidden, hidden.roll(1, 0)))
    return difference(int((~stays).sum()), len(stays), int((~control).sum()), len(control))
