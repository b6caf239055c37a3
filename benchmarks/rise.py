"""Time and memory of RISE for all classes of one image, beside as many bare forward passes.

    python benchmarks/rise.py [--masks 2000] [--weights mobilenetv2_100.safetensors] [--batch-size 16] [--repeats 3]

What RISE adds to the classifier (making masks, laying them over the image, weighing them for every class) should cost
at most 15 %, and all of it less than 1.5 GB. The bare passes are given what suits them best: one prepared batch, again
and again, in the same layout and of the same size as RISE's. The two take turns, so that a machine that slows down
slows down both. Printed are medians, of the clock's time and of the processor's, which other programs disturb less; and
the peak memory of the whole process. Weights are random unless given: they do not change the time.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from explanans import Explanandum, Preprocessing
from explanans.methods.rise import RISE


def build(network: str, weights: str | None, size: int) -> Explanandum:
    settings = {"pad_type": "same"} if network.startswith("mobilenetv2") else {}
    module = timm.create_model(network, pretrained=False, num_classes=1000, **settings)
    if weights is not None:
        module.load_state_dict({name: value.float() for name, value in load_file(weights).items()}, strict=False)
    return Explanandum(
        module.to(memory_format=torch.channels_last),
        classes=[f"class {index}" for index in range(1000)],
        activation="softmax",
        preprocessing=Preprocessing(size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    )


def timed(run: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    run()
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter() - clock, time.process_time() - processor


def bare(classifier: Explanandum, batch: Tensor, masks: int) -> None:
    with torch.no_grad():
        for start in range(0, masks, len(batch)):
            classifier(batch[: masks - start])


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="mobilenetv2_100")
    parser.add_argument("--weights", help="safetensors file of the network's weights")
    parser.add_argument("--masks", default=2000, type=int)
    parser.add_argument("--size", default=224, type=int)
    parser.add_argument("--batch-size", default=16, type=int)
    parser.add_argument("--device", default="cpu", type=torch.device)
    parser.add_argument("--repeats", default=3, type=int)
    args = parser.parse_args()

    classifier = build(args.network, args.weights, args.size).to(args.device)
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, args.size, args.size, generator=generator).to(args.device)
    batch = image.repeat(args.batch_size, 1, 1, 1).contiguous(memory_format=torch.channels_last)
    everything = torch.ones(1, classifier.num_classes, dtype=torch.bool, device=args.device)
    rise = RISE(classifier, masks=args.masks, batch_size=args.batch_size)
    small = RISE(classifier, masks=2 * args.batch_size, batch_size=args.batch_size)
    bare(classifier, batch, 2 * args.batch_size)
    before = peak_mb()
    small(image, everything)

    passes, explained = [], []
    for _ in range(args.repeats):
        passes.append(timed(lambda: bare(classifier, batch, args.masks), args.device))
        explained.append(timed(lambda: rise(image, everything), args.device))
    print(
        f"{args.network}, {classifier.num_classes} classes, {args.masks} masks, {args.size}×{args.size}, batches of "
        f"{args.batch_size}, torch {torch.__version__} on {args.device} ({torch.get_num_threads()} threads); medians "
        f"of {args.repeats} runs that take turns"
    )
    for index, name in enumerate(("clock", "processor")):
        alone = statistics.median(run[index] for run in passes)
        whole = statistics.median(run[index] for run in explained)
        print(f"{name}: bare passes {alone:.2f} s, RISE {whole:.2f} s, ratio {whole / alone:.3f}")
    print(f"peak memory of the process: {before:.0f} MB with bare passes only, {peak_mb():.0f} MB in all")


if __name__ == "__main__":
    main()
