"""How a method's maps change: with what the network has learned, and with a little noise on the image."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from explanans import metrics
from explanans.benchmark.calling import Caller, seed_of
from explanans.benchmark.known_pictures import Pictures
from explanans.benchmark.scoring import masks_of
from explanans.classifiers.explanandum import Explanandum
from explanans.explainers.explainer import Explainer
from explanans.methods import Method
from explanans.ops.masking import merge


def cascade(
    caller: Caller,
    explanandum: Explanandum,
    make: Callable[[Explanandum], Method],
    pictures: Pictures,
    step: str,
    *,
    stages: int,
    seed: int,
) -> dict[str, Any]:
    """The cascading randomisation of Adebayo et al. ("Sanity Checks for Saliency Maps", NeurIPS 2018).

    The weights are randomised from the output down: first the last layer, then more and more of the network, until
    nothing learned is left. After each stage the method explains the randomised classifier, and its target masks are
    compared with the original ones. A method whose maps stay alike explains the image, not the classifier.

    A layer is randomised by shuffling the entries of each of its parameters. That leaves their distribution as it is,
    so that activations neither vanish nor explode, which would make maps differ for a reason of its own.

    The masks of an Explainer do not depend on the classifier's weights once it is trained, so its own mask network is
    randomised instead; ``randomised`` says which it was.

    Args:
        caller: the method in question.
        explanandum: its classifier; a copy is randomised.
        make: makes the method for a classifier.
        pictures: a few images.
        step: the normalisation.
        stages: how many, the first being the last layer alone.
        seed: of the shuffling.

    Returns:
        ``randomised``; ``stages``, each with the ``layers`` randomised in it, means ``spearman`` and ``ssim`` over the
        images, both ``per_image``, and ``failed``, how many images had no map (they count as unchanged).
    """
    method = caller.method
    original, _ = _masks(caller, pictures, step)
    if isinstance(method, nn.Module) and any(isinstance(part, Explainer) for part in method.modules()):
        changed = copy.deepcopy(method)
        network: nn.Module = next(part for part in changed.modules() if isinstance(part, Explainer)).network
        randomised = "mask network"

        def remade() -> Method:
            return changed

    else:
        classifier = copy.deepcopy(explanandum)
        # The hash of the weights that it had before.
        classifier.__dict__.pop("weights_hash", None)
        network = classifier.module
        randomised = "classifier"

        def remade() -> Method:
            return make(classifier)

    generator = torch.Generator().manual_seed(seed_of(seed, "sanity"))
    found = []
    for layers in _stages(network, stages):
        for _, layer in layers:
            _shuffle(layer, generator)
        found.append(_stage([name for name, _ in layers], remade, caller, pictures, step, original))
    return {"randomised": randomised, "stages": found}


def sensitivity(caller: Caller, pictures: Pictures, places: Sequence[int], step: str, samples: int) -> dict[int, float]:
    """:func:`explanans.metrics.max_sensitivity` of the target mask, for the images at ``places``, by place.

    Every method meets the same noise. A method that draws draws the same for every noisy copy, so that only the image's
    change counts; one that fails on a copy gets the worst value.
    """
    found = {}
    for n in places:
        labels, index = pictures.labels[n : n + 1], pictures.indices[n]

        def explain(images: Tensor, labels: Tensor = labels, index: int = index) -> Tensor:
            called = caller(images, labels, [index])
            masks, _ = masks_of(called.maps, step)
            return merge(masks, called.of(labels))[0]

        image = pictures.images[n : n + 1]
        generator = torch.Generator(image.device).manual_seed(seed_of(caller.seed, "sensitivity", index))
        values = metrics.max_sensitivity(explain, image, explain(image), samples=samples, generator=generator)
        found[n] = values.item()
    return found


def _stage(
    layers: Sequence[str],
    remade: Callable[[], Method],
    caller: Caller,
    pictures: Pictures,
    step: str,
    original: Tensor,
) -> dict[str, Any]:
    # Under the same name, so that a method that draws draws the same.
    masks, failed = _masks(Caller(caller.name, remade(), caller.seed), pictures, step)
    similarity = metrics.map_similarity(original, masks)
    return {
        "layers": list(layers),
        **{name: float(values.double().mean()) for name, values in similarity.items()},
        "per_image": {name: values.tolist() for name, values in similarity.items()},
        "failed": failed,
    }


def _masks(caller: Caller, pictures: Pictures, step: str) -> tuple[Tensor, int]:
    """Target masks (N, H, W), and how many there are not."""
    called = caller(pictures.images, pictures.labels, pictures.indices)
    masks, refused = masks_of(called.maps, step)
    failed = sum(bool(failure or refusal) for failure, refusal in zip(called.errors, refused, strict=True))
    return merge(masks, called.of(pictures.labels))[0], failed


def _stages(network: nn.Module, stages: int) -> list[list[tuple[str, nn.Module]]]:
    """Layers with parameters of their own, from the output down: the last one, then the others in equal portions."""
    layers = [
        (name, part) for name, part in network.named_modules() if next(part.parameters(recurse=False), None) is not None
    ][::-1]
    if stages == 1:
        return [layers]
    first, rest = layers[:1], layers[1:]
    portions = min(stages - 1, len(rest))
    bounds = [round(k * len(rest) / portions) for k in range(portions + 1)] if rest else []
    return [first, *(rest[start:stop] for start, stop in pairwise(bounds))]


@torch.no_grad()
def _shuffle(layer: nn.Module, generator: torch.Generator) -> None:
    for parameter in layer.parameters(recurse=False):
        order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))
