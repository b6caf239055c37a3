"""Time of the masks of all classes for one image, beside a forward pass of the bare mask network.

    python benchmarks/explain_one_image.py [--network light/mobilenetv2_100] [--classes 20] [--size 224] [--device cpu]

What the Explainer adds is enlarging the network's maps to the image and a sigmoid; it should cost at most 5 %. The two
take turns, so that a machine that slows down slows down both. Printed are medians. Weights are random: they do not
change the time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from explanans import Explainer, Explanandum, Preprocessing


def build(network: str, classes: int, size: int) -> Explainer:
    """An Explainer of a trivial classifier, which takes no part in ``explainer(x)``."""
    classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes))
    explanandum = Explanandum(
        classifier,
        classes=[f"class {index}" for index in range(classes)],
        activation="sigmoid",
        preprocessing=Preprocessing(size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    )
    return Explainer(explanandum, network, encoder_weights=None).eval()


def timed_ms(run: Callable[[Tensor], Tensor], images: Tensor) -> float:
    start = time.perf_counter()
    run(images)
    if images.device.type != "cpu":
        torch.accelerator.synchronize(images.device)
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="light/mobilenetv2_100")
    parser.add_argument("--classes", default=20, type=int)
    parser.add_argument("--size", default=224, type=int)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--repeats", default=50, type=int)
    args = parser.parse_args()

    explainer = build(args.network, args.classes, args.size).to(args.device)
    images = torch.randn(1, 3, args.size, args.size, generator=torch.Generator().manual_seed(0)).to(args.device)
    bare, all_masks = [], []
    with torch.inference_mode():
        for _ in range(5):
            explainer(images), explainer.network(images)
        for _ in range(args.repeats):
            bare.append(timed_ms(explainer.network, images))
            all_masks.append(timed_ms(explainer, images))
    network, masks = statistics.median(bare), statistics.median(all_masks)
    print(
        f"{args.network}, {args.classes} classes, {args.size}×{args.size}, torch {torch.__version__} on {args.device} "
        f"({torch.get_num_threads()} threads); medians of {args.repeats} runs that take turns"
    )
    print(f"bare network {network:.2f} ms, masks of all classes {masks:.2f} ms, ratio {masks / network:.3f}")


if __name__ == "__main__":
    main()
