"""iGOS++, saliency optimised along integrated gradients (Khorram, Lawson & Fuxin, ACM CHIL 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import functional as transforms

from explanans.classifiers.explanandum import Explanandum
from explanans.methods.base import PairMethod, listed
from explanans.methods.shared.perturbing import check_gradients_possible, layout, working_dtype
from explanans.utils.numbers import check_count, check_number

# Of the step along the gradient: tried first, shrunk by, given up below, and the share of the slope to be gained.
STEP, SHRINK, SMALLEST_STEP, SLOPE = 1000.0, 0.2, 1e-5, 1e-4
# Width of the colour kernel in the bilateral variation, on the classifier's normalised scale.
COLOUR_WIDTH = 0.01
# The four terms of the objective: which of the masks D, I, D·I they use, whether the mask takes away from the image
# (+1, towards the blurred one) or brings it back into the blurred one (−1), which is their sign in the loss as well.
MASK_OF_TERM, SIGN_OF_TERM = (0, 1, 2, 2), (1.0, -1.0, 1.0, -1.0)
TERMS = len(MASK_OF_TERM)


def enlarge(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (…, h, w) → (…, H, W), bilinear, corners on corners."""
    flat = F.interpolate(masks.flatten(0, -3)[:, None], size, mode="bilinear", align_corners=True)
    return flat.view(*masks.shape[:-2], *size)


def _variation(masks: Tensor, images: Tensor | None = None) -> Tensor:
    """Mean squared difference of neighbours, down plus right, of (R, H, W) → (R,); small across edges of ``images``."""
    total = masks.new_zeros(len(masks))
    for axis in (-2, -1):
        if masks.shape[axis] < 2:
            continue
        squares = masks.diff(dim=axis).square()
        if images is not None:
            squares = squares * torch.exp(-images.diff(dim=axis).square().mean(1) / COLOUR_WIDTH).to(masks.dtype)
        total = total + squares.flatten(1).mean(1)
    return total


def bilateral_variation(masks: Tensor, images: Tensor) -> Tensor:
    """Half of Σ over neighbours of (m_u − m_v)², at the masks' resolution and at the images', (R, h, w) → (R,).

    At the images' resolution a pair counts exp(−mean over channels of (x_u − x_v)² / 0.01): a mask may change for
    nothing where the image does. Sums are means over pairs, down and right apart.
    """
    size = (images.shape[-2], images.shape[-1])
    return (_variation(masks) + _variation(enlarge(masks, size), images)) / 2


def blurred(images: Tensor, share: float) -> Tensor:
    """Gaussian blur in a window of ``share`` of the shorter side (odd, at least 3), σ the window's side less 1."""
    window = max(3, round(share * min(images.shape[-2:])) // 2 * 2 + 1)
    reach = min(window // 2, min(images.shape[-2:]) - 1)
    return transforms.gaussian_blur(images, [2 * reach + 1] * 2, [float(window - 1)] * 2) if reach else images


@dataclass(frozen=True)
class _Rows:
    """What R (image, class) pairs are explained with: images and blurred images (R, 3, H, W), classes (R,)."""

    images: Tensor
    baselines: Tensor
    classes: Tensor

    def __getitem__(self, chosen: Tensor) -> _Rows:
        return _Rows(self.images[chosen], self.baselines[chosen], self.classes[chosen])


@listed("igos_pp", "iGOS++", "raw", needs=("gradients",))
class IGOSpp(PairMethod):
    """Two masks D and I, small and smooth, that together destroy a class and make it.

    With p the classifier's own probability of the class (sigmoid or softmax), φ(a, b, M) = a ⊙ M + b ⊙ (1 − M), and x̃
    the blurred image, they minimise

        p(φ(x, x̃, D)) − p(φ(x̃, x, I)) + p(φ(x, x̃, D I)) − p(φ(x̃, x, D I)) + λ₁ mean(1 − D I) + λ₂ BTV(D I)

    The gradient of the four probabilities is the integrated one, 1/S Σ_s ∂p(φ(·, ·, s/S · M) + noise)/∂M, and enters
    halved, as in the authors' code; the step along it is found by backtracking from 1000, ÷ 5 each time, on the
    probabilities averaged along the same path. Masks start at 1 and are kept in [0, 1].

    ``igos(images, targets)`` → 1 − D I (N, C, H, W) in [0, 1], 1 where the evidence is. Per image, class and iteration
    4·S forward and backward passes, and 4·S forward passes for each step that is tried, at most 13. Works under
    ``torch.no_grad``.

    Noise is drawn anew for each iteration, from seeds that are drawn once per call; one draw (S, 3, H, W) serves all
    images, classes and terms and the search of the step, so an explanation does not depend on what else is in the
    batch, and steps are compared under equal noise.

    Args:
        explanandum: the classifier.
        size: h = w of the masks that are optimised.
        iterations: steps of the optimiser.
        steps: S, points on the path of the integrated gradient.
        l1, l2: λ₁ and λ₂.
        noise: standard deviation, on the classifier's normalised scale.
        window: of the blur, see :func:`blurred`; 51 of 224 pixels in the authors' code.
        batch_size: images per forward pass, and pairs of image and class that are explained at once.
        channels_last: as for :class:`~explanans.methods.rise.RISE`.

    Raises:
        InputError: a setting out of range, or a call under ``torch.inference_mode``.
    """

    def __init__(
        self,
        explanandum: Explanandum,
        *,
        size: int = 28,
        iterations: int = 15,
        steps: int = 20,
        l1: float = 1.0,
        l2: float = 20.0,
        noise: float = 0.2,
        window: float = 51 / 224,
        batch_size: int = 16,
        channels_last: bool = True,
    ) -> None:
        self.explanandum = explanandum
        self.size = check_count("size", size)
        self.iterations = check_count("iterations", iterations)
        self.steps = check_count("steps", steps)
        self.l1, self.l2 = check_number("l1", l1), check_number("l2", l2)
        self.noise = check_number("noise", noise)
        self.window = check_number("window", window, 0, 1)
        self.batch_size = check_count("batch_size", batch_size)
        self.layout = layout(channels_last)

    def pairs(self, images: Tensor, asked: Tensor, generator: torch.Generator | None = None) -> Tensor:
        check_gradients_possible("IGOSpp")
        maps = [images.new_zeros(0, *images.shape[-2:])]
        seeds = torch.randint(2**62, (self.iterations,), device=images.device, generator=generator).tolist()
        with torch.no_grad():
            for pairs in asked.nonzero().split(self.batch_size) if asked.any() else ():
                chosen = images[pairs[:, 0]]
                rows = _Rows(chosen, blurred(chosen, self.window), pairs[:, 1])
                maps.append(1 - self._optimise(rows, seeds))
        return torch.cat(maps)

    def _optimise(self, rows: _Rows, seeds: list[int]) -> Tensor:
        """The enlarged product of both masks, (R, H, W)."""
        images = rows.images
        size = (images.shape[-2], images.shape[-1])
        masks = torch.ones(len(images), 2, self.size, self.size, device=images.device, dtype=working_dtype(images))
        for seed in seeds:
            noise = torch.empty(self.steps, *images.shape[1:], device=images.device, dtype=images.dtype)
            noise.normal_(std=self.noise, generator=torch.Generator(images.device).manual_seed(seed))
            losses, gradients = self._descent(rows, masks, noise)
            masks = (masks - self._step(rows, masks, noise, losses, gradients) * gradients).clamp(0, 1)
        # Interpolation may leave [0, 1] by a rounding error.
        return enlarge(masks.prod(1), size).clamp(0, 1)

    def _descent(self, rows: _Rows, masks: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (R,) and the direction (R, 2, h, w) that the masks move against."""
        with torch.enable_grad():
            leaf = masks.detach().requires_grad_()
            deleting, inserting = enlarge(leaf, (rows.images.shape[-2], rows.images.shape[-1])).unbind(1)
            all_three = torch.stack([deleting, inserting, deleting * inserting], 1)
            regular = self.regularisation(leaf.prod(1), rows.images)
            evidence, gradients = self.integrate(rows, all_three.detach(), noise, with_gradients=True)
            surrogate = (all_three * gradients).sum() / 2 + regular.sum()
            (direction,) = torch.autograd.grad(surrogate, leaf)
        return evidence + regular.detach(), direction

    def _step(self, rows: _Rows, masks: Tensor, noise: Tensor, losses: Tensor, gradients: Tensor) -> Tensor:
        """Length of the step per row, (R, 1, 1, 1): the first of 1000 · 0.2^k that gains enough, or the smallest."""
        lengths = torch.full_like(losses, STEP)
        slopes = SLOPE * gradients.square().flatten(1).sum(1)
        open_rows = torch.arange(len(losses), device=losses.device)
        while len(open_rows):
            length = lengths[open_rows]
            tried = (masks[open_rows] - length[:, None, None, None] * gradients[open_rows]).clamp(0, 1)
            reached = self.loss(rows[open_rows], tried, noise)
            short = (reached > losses[open_rows] - length * slopes[open_rows]) & (length >= SMALLEST_STEP)
            open_rows = open_rows[short]
            lengths[open_rows] *= SHRINK
        return lengths[:, None, None, None]

    def loss(self, rows: _Rows, masks: Tensor, noise: Tensor) -> Tensor:
        """The objective (R,) at masks (R, 2, h, w), its probabilities averaged along the path."""
        deleting, inserting = enlarge(masks, (rows.images.shape[-2], rows.images.shape[-1])).unbind(1)
        all_three = torch.stack([deleting, inserting, deleting * inserting], 1)
        evidence, _ = self.integrate(rows, all_three, noise, with_gradients=False)
        return evidence + self.regularisation(masks.prod(1), rows.images)

    def regularisation(self, masks: Tensor, images: Tensor) -> Tensor:
        return self.l1 * (1 - masks).abs().flatten(1).mean(1) + self.l2 * bilateral_variation(masks, images)

    def integrate(self, rows: _Rows, masks: Tensor, noise: Tensor, *, with_gradients: bool) -> tuple[Tensor, Tensor]:
        """The four probabilities, averaged along their paths, and their integrated gradients.

        Args:
            rows: R pairs.
            masks: D, I and D·I, (R, 3, H, W).
            noise: (S, 3, H, W).
            with_gradients: or forward passes only.

        Returns:
            The signed sum of the four (R,); its gradient with respect to the three masks (R, 3, H, W), zeros without.
        """
        count, device, steps = len(rows.classes), masks.device, len(noise)
        mask_of_term = torch.tensor(MASK_OF_TERM, device=device)
        sign_of_term = torch.tensor(SIGN_OF_TERM, device=device, dtype=masks.dtype)
        evidence, gradients = masks.new_zeros(count), torch.zeros_like(masks)
        for item in torch.arange(count * TERMS * steps, device=device).split(self.batch_size):
            row, term, step = item // (TERMS * steps), item // steps % TERMS, item % steps
            mask, sign = mask_of_term[term], sign_of_term[term]
            share = (step + 1).to(masks.dtype) / steps
            change = (rows.images[row] - rows.baselines[row]) * sign[:, None, None, None].to(noise.dtype)
            start = torch.where((sign > 0)[:, None, None, None], rows.baselines[row], rows.images[row])
            amount = (share[:, None, None] * masks[row, mask])[:, None].to(noise.dtype)
            seen = (start + amount * change + noise[step]).contiguous(memory_format=self.layout)
            with torch.set_grad_enabled(with_gradients):
                seen.requires_grad_(with_gradients)
                logits = self.explanandum(seen).to(masks.dtype)
                own = self.explanandum.activate(logits).gather(1, rows.classes[row][:, None])[:, 0]
            evidence.index_add_(0, row, sign * own.detach() / steps)
            if with_gradients:
                (slope,) = torch.autograd.grad(own.sum(), seen)
                pixels = (slope * change).sum(1).to(masks.dtype) * (sign * share / steps)[:, None, None]
                gradients.view(-1, *masks.shape[-2:]).index_add_(0, 3 * row + mask, pixels)
        return evidence, gradients
