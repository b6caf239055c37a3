"""RTIS (Dabkowski & Gal, "Real Time Image Saliency", NeurIPS 2017): a mask preserves, its complement destroys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional

from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.errors import InputError
from explanans.objectives.base import as_maps, check_weights
from explanans.ops.class_maps import ClassMaps
from explanans.ops.masking import apply_mask, make_fill
from explanans.ops.refinement import enlarge
from explanans.utils.numbers import check_number

Probability = Literal["classifier", "sigmoid", "softmax"]


def squared_variation(masks: Tensor) -> Tensor:
    """TV(M) = Σ (M_ij − M_i,j+1)² + Σ (M_ij − M_i+1,j)² of masks (N, H, W), a sum over each mask's pixels → (N,).

    As a sum it hardly depends on the resolution: a ramp of w pixels along an edge of L pixels adds L / w, at any size.
    As a mean it would be H·W times smaller, 50,000 at 224².
    """
    right = (masks[..., :, 1:] - masks[..., :, :-1]).square()
    down = (masks[..., 1:, :] - masks[..., :-1, :]).square()
    return right.sum((-2, -1)) + down.sum((-2, -1))


class Drawn(NamedTuple):
    """For each image of a step, all (N,).

    Args:
        mask: index of the class whose mask is tried.
        label: index of the class that the classifier is asked about, one of the image's labels.
        absent: true where ``mask`` is a class that the image does not have.
        labelled: true where there is a label at all; ``label`` means nothing elsewhere.
    """

    mask: Tensor
    label: Tensor
    absent: Tensor
    labelled: Tensor


def draw_classes(labels: Tensor, absent_share: float, generator: torch.Generator | None = None) -> Drawn:
    """A class for each image of multi-hot labels (N, C).

    A share of the images gets one of its absent classes, the others one of their labels. An image without a label
    always gets an absent class, one with every label never does.
    """
    labels = labels.float()
    labelled, lacking = labels.sum(1) > 0, labels.sum(1) < labels.shape[1]
    # Where there is nothing to draw from any class will do; it is not used.
    present = torch.multinomial(labels + (~labelled)[:, None], 1, generator=generator)[:, 0]
    other = torch.multinomial(1 - labels + (~lacking)[:, None].float(), 1, generator=generator)[:, 0]
    chance = torch.rand(len(labels), device=labels.device, generator=generator)
    absent = (chance < absent_share) & lacking | ~labelled
    return Drawn(torch.where(absent, other, present), present, absent, labelled)


def log_probability(logits: Tensor, index: Tensor, form: Activation) -> Tensor:
    """log p of one class per image: logits (N, C), index (N,) → (N,)."""
    log_p = functional.logsigmoid(logits) if form == "sigmoid" else logits.log_softmax(1)
    return log_p.gather(1, index[:, None])[:, 0]


@dataclass(frozen=True)
class Dabkowski2017:
    """L(M) = λ_1 TV(M) + λ_2 mean(M) − log p_c(x through M) + λ_3 p_c(x through 1 − M)^λ_4.

    The original has one mask and a selector that says for which class it is; here each class has its mask, and one
    class per image and step is drawn from the image's labels. All terms are averaged over the images; TV is a *sum*
    over pixels (:func:`squared_variation`), area a mean. The power is taken of log p, as exp(λ_4 log p): p^0.3 has an
    infinite slope at 0, but with respect to the classifier's logits it is at most λ_4 (times 1 − p), so that nothing
    has to be clipped.

    **Absent classes.** The loss above says nothing about the mask of a class that an image does not have. As in the
    authors' training, a share of the images is asked for such a class, and then the two parts change places: what its
    mask *leaves out* must preserve one of the image's labels, what it *keeps* must destroy it, which the empty mask
    does. On an image without any label only TV and area of such a mask count. With ``absent_share=0`` masks of absent
    classes are never trained.

    **TV and the default weight.** TV as a sum costs much: with weight 10 a single straight ramp across a whole square
    mask costs 10, a disc with a soft border several times that, while all other terms together seldom exceed 10. So
    the published weight favours flat masks; the authors' own training code uses 0.0025 for a destroyer of weight 1,
    which is 0.0125 for the weight 5 here. Set ``tv_weight`` to that where masks come out flat, and say so.

    Args:
        tv_weight: λ_1.
        area_weight: λ_2.
        preserver_weight: of −log p_c.
        destroyer_weight: λ_3.
        destroyer_power: λ_4, above 0.
        absent_share: share of the images that are asked for a class they do not have; the authors' is 0.3.
        probability: what p is: "classifier" (its own activation), or "sigmoid" or "softmax" whatever it was trained
            with. The original is for softmax classifiers only.
        fill: what hidden pixels become, drawn for each image and part: "blur+noise" is a blur with sigma 10 (at 224
            pixels) or one random colour with noise of standard deviation 0.11.
    """

    tv_weight: float = 10.0
    area_weight: float = 1.0
    preserver_weight: float = 1.0
    destroyer_weight: float = 5.0
    destroyer_power: float = 0.3
    absent_share: float = 0.3
    probability: Probability = "classifier"
    fill: str = "blur+noise"

    by_class = True

    def __post_init__(self) -> None:
        check_weights(self)
        if self.probability not in get_args(Probability):
            raise InputError(f"probability={self.probability!r}; take one of {get_args(Probability)}.")
        check_number("destroyer_power", self.destroyer_power, above=True)
        check_number("absent_share", self.absent_share, 0, 1)

    def __call__(
        self,
        logits: Tensor | ClassMaps,
        images: Tensor,
        labels: Tensor,
        explanandum: Explanandum,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        drawn = draw_classes(labels, self.absent_share, generator)
        own = as_maps(logits).of(torch.arange(len(images), device=images.device), drawn.mask)
        mask = enlarge(own[:, None], images.shape[-2:])[:, 0].sigmoid()
        preserving = torch.where(drawn.absent[:, None, None], 1 - mask, mask)
        fill = make_fill(self.fill, explanandum.preprocessing)
        preserved = apply_mask(images, preserving, fill(images, generator))
        destroyed = apply_mask(images, 1 - preserving, fill(images, generator))
        answers = explanandum(torch.cat([preserved, destroyed])).to(mask.dtype)
        form = explanandum.activation if self.probability == "classifier" else self.probability
        log_preserved, log_destroyed = log_probability(answers, drawn.label.repeat(2), form).chunk(2)
        return {
            "tv": self.tv_weight * squared_variation(mask).mean(),
            "area": self.area_weight * mask.mean(),
            "preserver": self.preserver_weight * -(log_preserved * drawn.labelled).mean(),
            "destroyer": self.destroyer_weight * ((self.destroyer_power * log_destroyed).exp() * drawn.labelled).mean(),
        }
