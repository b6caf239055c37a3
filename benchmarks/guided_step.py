"""A step of the guided objective with guides made in every step and made once, in processor time.

OMP_NUM_THREADS=1 python benchmarks/guided_step.py CLASSIFIER voc:DEVKIT
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import torch

from explanans import Explainer, Explanandum
from explanans.data import collate
from explanans.explainers.networks.heads import class_maps
from explanans.objectives import Guided
from explanans.training.depthwise import quick_depthwise
from explanans.training.guides_once import with_guides
from labelled import add_data, pictures

BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", help="folder of a saved classifier")
    add_data(parser, "train[90%:]")
    parser.add_argument("--network", default="trunk")
    parser.add_argument("--precision", choices=["32-true", "bf16-mixed"], default="bf16-mixed")
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    torch.manual_seed(0)
    explanandum = Explanandum.load(options.classifier)
    dataset = pictures(explanandum, options, cache=True, segmentation=False).select(f"[:{BATCH}]")
    network = Explainer(explanandum, options.network).network.to(memory_format=torch.channels_last)
    plain, once = Guided(), replace(Guided(), once=True)
    collate([dataset[index] for index in range(len(dataset))])
    start = time.process_time()
    guided = with_guides(dataset, once, explanandum, precision=options.precision)
    print(f"making guides: {(time.process_time() - start) / len(dataset):.3f} s a picture")
    batch = collate([guided[index] for index in range(len(guided))])
    images = batch["image"].contiguous(memory_format=torch.channels_last)
    for progress, share in ((0.1, "before masks are tried"), (0.9, "after")):
        for name, objective, guides in (("in every step", plain, None), ("once", once, batch["maps"])):
            taken = []
            for step in range(options.steps + 1):
                start = time.process_time()
                generator = torch.Generator().manual_seed(step)
                with (
                    torch.autocast("cpu", torch.bfloat16, enabled="bf16" in options.precision),
                    quick_depthwise(torch.device("cpu")),
                ):
                    maps = class_maps(network, objective.shown(images))
                    terms = objective(maps, images, batch["labels"], explanandum, progress, generator, guides)
                    torch.stack(list(terms.values())).sum().backward()
                taken.append(time.process_time() - start)
            # The first one finds layers and kernels.
            print(f"guides {name}, {share}: {sum(taken[1:]) / options.steps:.2f} s a step of {len(images)}")


if __name__ == "__main__":
    main()
