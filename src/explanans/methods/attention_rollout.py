"""What a vision transformer's attention, over all its blocks, carries to the token that is classified."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import grey_image
from explanans.classifiers.spatial import token_grid
from explanans.errors import InputError
from explanans.methods.base import PairMethod, listed, positions
from explanans.methods.shared.attention import AttentionWeights
from explanans.methods.shared.perturbing import check_gradients_possible
from explanans.utils.numbers import check_count

Weighting = Literal["gradient", "none"]


def rollout(weights: list[Tensor]) -> Tensor:
    """Attention rollout (Abnar & Zuidema, ACL 2020): Π over blocks of (mean over heads of A + I) / 2, (N, L, L)."""
    eye = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype, device=weights[0].device)
    total = eye.expand(len(weights[0]), -1, -1)
    for block in weights:
        total = (block.mean(1) + eye) / 2 @ total
    return total


def relevance(weights: list[Tensor], gradients: list[Tensor]) -> Tensor:
    """Chefer et al. (ICCV 2021): R ← R + Ā R with Ā the mean over heads of relu(∇A ⊙ A), from R = I; (N, L, L).

    Returned without that I, which says of every token that it is itself.
    """
    eye = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype, device=weights[0].device)
    total = eye.expand(len(weights[0]), -1, -1)
    for block, gradient in zip(weights, gradients, strict=True):
        total = total + (gradient * block).relu().mean(1) @ total
    return total - eye


@listed(
    "attention_relevance",
    "attention relevance",
    needs=("attention", "gradients"),
    settings={"weighting": "gradient"},
)
@listed("attention_rollout", "attention rollout", needs=("attention",))
class AttentionRollout(PairMethod):
    """Attention from the image's patches to what the head reads, bilinearly upsampled.

    ``attention_rollout(images, targets)`` → raw maps (N, C, H, W), at least 0. Works for transformers whose blocks
    attend over all tokens of the image (ViT, DeiT, BEiT, DINO, ...; timm, torchvision). What the head reads: the class
    token, class and distillation token where there are two, the mean over all patches where there is none.
    ``blocks`` says how many attention layers were found, ``grid`` how the patches lie.

    Args:
        explanandum: the classifier.
        weighting: "none" is attention rollout (:func:`rollout`), *the same map for every class*; one forward pass.
            "gradient" asks each head how much the class gained from it (:func:`relevance`); one forward pass, and one
            backward pass per class.
        batch_size: images at once; all attention weights of a batch are kept.

    Raises:
        InputError: the classifier has no attention over all tokens (a CNN, Swin); or "gradient" under
            ``torch.inference_mode``.
    """

    def __init__(self, explanandum: Explanandum, *, weighting: str = "none", batch_size: int = 16) -> None:
        if weighting not in get_args(Weighting):
            raise InputError(f"weighting={weighting!r}; take one of {get_args(Weighting)}.")
        self.explanandum, self.weighting = explanandum, weighting
        self.batch_size = check_count("batch_size", batch_size)
        with torch.no_grad():
            weights, _ = self._watch(grey_image(explanandum))
        self.blocks = len(weights)
        size = (explanandum.preprocessing.height, explanandum.preprocessing.width)
        self.grid = token_grid(weights[0].shape[-1], size)[:2]  # type: ignore[index]

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        graded = self.weighting == "gradient"
        if graded:
            check_gradients_possible("attention weighted by gradients")
        maps = images.new_zeros(int(asked.sum()), *images.shape[-2:])
        place = positions(asked)
        rows = asked.any(1).nonzero().flatten()
        for chosen in rows.split(self.batch_size):
            if not len(chosen):
                continue
            part = images[chosen].detach()
            with torch.set_grad_enabled(graded):
                weights, logits = self._watch(part.clone().requires_grad_(graded))
            if not graded:
                shared = self._upsampled(rollout(weights), part)
                own = asked[chosen].nonzero()[:, 0]
                maps[place[chosen][asked[chosen]]] = shared[own]
                continue
            for index in asked[chosen].any(0).nonzero().flatten().tolist():
                gradients = torch.autograd.grad(
                    logits[:, index].sum(), weights, retain_graph=True, materialize_grads=True
                )
                with torch.no_grad():
                    upsampled = self._upsampled(relevance(weights, list(gradients)), part)
                    own = asked[chosen, index]
                    maps[place[chosen[own], index]] = upsampled[own]
        return maps

    def _watch(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """The weights of every attention over all tokens, and the logits."""
        with AttentionWeights(len(images)) as attention:
            logits = self.explanandum(images)
        size = (images.shape[-2], images.shape[-1])
        lengths = [weights.shape[-1] for weights in attention.weights if token_grid(weights.shape[-1], size)]
        # Most blocks of a transformer see the same tokens; a few layers of a mixed network may not.
        length = max(set(lengths), key=lengths.count) if lengths else None
        found = [weights for weights in attention.weights if weights.shape[-1] == length]
        if not found or attention.windowed:
            what = "attends within windows" if attention.windowed else "has no self-attention over an image's tokens"
            raise InputError(
                f"attention rollout: the classifier ({type(self.explanandum.module).__name__}) {what}; take grad_cam, "
                "which finds a layer in every network."
            )
        return found, logits

    def _upsampled(self, carried: Tensor, images: Tensor) -> Tensor:
        """(N, L, L), row i: what token i gets from each → (N, H, W) of what the head reads."""
        rows, columns, prefix = token_grid(carried.shape[-1], (images.shape[-2], images.shape[-1]))  # type: ignore[misc]
        read = carried[:, : min(prefix, 2) if prefix <= 2 else 1] if prefix else carried
        patches = read.mean(1)[:, prefix:].unflatten(1, (rows, columns)).to(images.dtype)
        return functional.interpolate(patches[:, None], images.shape[-2:], mode="bilinear")[:, 0]
