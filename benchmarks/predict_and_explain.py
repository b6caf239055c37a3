"""Prediction and all masks out of one pass, beside the classifier alone: one process, in turns.

    python benchmarks/predict_and_explain.py [--turns 20] [--models mobilenetv2_100 resnet50]

Six classes at 224 × 224, random weights, one thread, a head on the classifier's trunk (network="trunk"), against the
same classifier without a head: the head as it is trained, and as it is used, with its batch norms folded
(``Explainer.folded``, which leaves the classifier as it is). Where the classifier's own are folded too, both sides are
quicker and the ratio is larger; it is printed against that quicker classifier alone. Medians of the processor time per
image, which other work on the machine disturbs less than the clock, and the median of the turns' ratios. All take
turns. The floor is the multiply-adds that the head adds to the classifier's own.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import timm
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from explanans import Explainer, Explanandum, Preprocessing
from explanans.explainers.folding import fold_batch_norms
from explanans.utils.memory import keep_freed_memory

CLASSES = 6


def built(model: str, network: str) -> Explainer:
    torch.manual_seed(0)
    module = timm.create_model(model, num_classes=CLASSES)
    preprocessing = Preprocessing(224, (0.5,) * 3, (0.5,) * 3)
    classifier = Explanandum(module, classes=list("abcdef"), activation="sigmoid", preprocessing=preprocessing)
    return Explainer(classifier, network).eval()


def with_folded_classifier(explainer: Explainer) -> Explainer:
    """A head like ``explainer``'s, folded, on its classifier without batch norms."""
    given = explainer.explanandum
    size = (given.preprocessing.height, given.preprocessing.width)
    classifier = Explanandum(
        fold_batch_norms(given.module, torch.randn(1, 3, *size)),
        classes=given.classes,
        activation=given.activation,
        preprocessing=given.preprocessing,
    )
    return Explainer(classifier, explainer.network_name or "trunk").eval().folded()


def multiply_adds(call: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 2e6


def seconds(call: Callable[[Tensor], object], images: Tensor) -> float:
    begin = time.process_time()
    call(images)
    return (time.process_time() - begin) / len(images)


def compare(model: str, network: str, turns: int) -> None:
    explainer = built(model, network)
    used, quick = explainer.folded(), with_folded_classifier(explainer)
    image = torch.randn(1, 3, 224, 224)
    alone = multiply_adds(lambda: explainer.explanandum(image))
    both = multiply_adds(lambda: explainer.predict_and_explain(image))
    print(f"{model}: {alone:.0f} million multiply-adds alone, {both:.0f} with masks ({both / alone:.2f} ×)")
    pairs: dict[str, tuple[Callable[[Tensor], object], Callable[[Tensor], object]]] = {
        "as trained": (explainer.explanandum.probabilities, explainer.predict_and_explain),
        "as used": (used.explanandum.probabilities, used.predict_and_explain),
        "both folded": (quick.explanandum.probabilities, quick.predict_and_explain),
    }
    for count in (1, 8):
        images = torch.randn(count, 3, 224, 224)
        taken: dict[str, list[list[float]]] = {name: [] for name in pairs}
        for turn in range(turns + 1):
            for name, calls in pairs.items():
                times = [seconds(call, images) for call in calls]
                # The first of each warms up.
                if turn:
                    taken[name].append(times)
        for name, rows in taken.items():
            one, two = (1000 * statistics.median(column) for column in zip(*rows, strict=True))
            ratio = statistics.median(second / first for first, second in rows)
            print(f"  {name}, {count} at once: alone {one:6.1f} ms, with masks {two:6.1f} ms, {ratio:.2f} ×")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--models", nargs="+", default=["mobilenetv2_100", "resnet50"])
    parser.add_argument("--network", default="trunk")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    with torch.no_grad():
        for model in arguments.models:
            compare(model, arguments.network, arguments.turns)


if __name__ == "__main__":
    main()
