"""Masks of all six classes of an image: the Explainer beside Grad-CAM, one process, in turns.

    python benchmarks/explainer_and_grad_cam.py [--turns 12]

MobileNetV2 with six outputs at 224 × 224 and the Explainer of examples/voc2012-animals, random weights, one thread.
Printed are medians of the processor time per image, which other work on the machine disturbs less than the clock: the
bare classifier, the Explainer as trained and as used (batch norms folded), the same with a mask that is asked for,
finished on its picture as `explain` does it, our Grad-CAM and, where it is installed, pytorch-grad-cam's, which
explains one class per call.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import timm
import torch
from torch import Tensor

from explanans import Explainer, Explanandum, Preprocessing
from explanans.methods import make_method
from explanans.training.calibration import Calibration
from explanans.utils.memory import keep_freed_memory

CLASSES = 6


def contestants() -> dict[str, Callable[[Tensor], object]]:
    torch.manual_seed(0)
    module = timm.create_model("mobilenetv2_100", pad_type="same", num_classes=CLASSES)
    preprocessing = Preprocessing(224, (0.5,) * 3, (0.5,) * 3)
    classifier = Explanandum(module, classes=list("abcdef"), activation="sigmoid", preprocessing=preprocessing)
    explainer = Explainer(classifier, "light/mobilenetv2_100?pad_type=same", encoder_weights=None).eval()
    folded, grad_cam = explainer.folded(), make_method("grad_cam", classifier)
    finished = explainer.folded()
    # Half of the pixels are inside: a mask that is empty is not looked at again.
    with torch.no_grad():
        middle = float(finished.head_logits(torch.zeros(1, 3, 224, 224)).median())
    finished.calibrate(4.0, -middle, Calibration().reach, Calibration().refine)
    found: dict[str, Callable[[Tensor], object]] = {
        "classifier alone": classifier,
        "Explainer as trained": explainer,
        "Explainer as used": folded,
        "… one mask, finished": lambda images: finished.masks_of(images, torch.eye(CLASSES).bool()[[0] * len(images)]),
        "Grad-CAM": lambda images: grad_cam(images, torch.ones(len(images), CLASSES, dtype=torch.bool)),
    }
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError:
        return found
    layer = dict(module.named_modules())[grad_cam.layer_name]  # type: ignore[attr-defined]
    theirs = GradCAM(classifier, [layer])

    def one_by_one(images: Tensor) -> object:
        with torch.enable_grad():
            # It asks for gradients of the pixels, since nothing in the classifier does.
            given = images.clone().requires_grad_()
            return [theirs(given, [ClassifierOutputTarget(c)] * len(images)) for c in range(CLASSES)]

    found["pytorch-grad-cam"] = one_by_one
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=12, help="calls of each (default: %(default)s)")
    turns = parser.parse_args().turns
    torch.set_num_threads(1)
    keep_freed_memory()
    made = contestants()
    for count in (1, 8):
        images = torch.rand(count, 3, 224, 224) * 2 - 1
        spent: dict[str, list[float]] = {name: [] for name in made}
        for turn in range(turns + 1):
            for name, call in made.items():
                start = time.process_time()
                with torch.no_grad():
                    call(images)
                if turn:
                    spent[name].append(1000 * (time.process_time() - start) / count)
        for name, times in spent.items():
            print(f"{count} image{'s' * (count > 1)}  {name:22} {statistics.median(times):7.1f} ms per image")


if __name__ == "__main__":
    main()
