"""Peak memory of explanations of a classifier with many classes, above that of its bare forward pass.

    python benchmarks/many_classes.py [--classes 10000] [--photos 8] [--size 224] [--only spread_cam …]

``photos`` pictures of noise in one batch, two classes each, with receipts; MobileNetV2 of random weights. Each line is
measured in a process of its own: the peak resident memory after a forward pass of the classifier on the batch, and how
much higher it is after explaining. ``attribute`` is :meth:`explanans.Explainer.attribute` for one class per photo.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys

EXPLAINERS = ("trunk", "light/mobilenetv2_100", "deeplabv3_resnet50")
METHODS = ("spread_cam", "grad_cam", "rise")
KINDS = (*METHODS, *EXPLAINERS, *(f"attribute {network}" for network in EXPLAINERS), "shards trunk")


def peak() -> float:
    """GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(kind: str, classes: int, photos: int, size: int) -> dict[str, float]:
    import tempfile
    from pathlib import Path

    import numpy as np
    import timm
    import torch
    from PIL import Image

    import explanans
    from explanans import Explainer, Explanandum, Preprocessing

    torch.manual_seed(0)
    classifier = Explanandum(
        timm.create_model("mobilenetv2_100", num_classes=classes),
        classes=[f"class {number}" for number in range(classes)],
        activation="softmax",
        preprocessing=Preprocessing(size, (0.5,) * 3, (0.5,) * 3),
    )
    name = kind.split()[-1]
    explainer = Explainer(classifier, name, encoder_weights=None).eval() if name in EXPLAINERS else None
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 256, (size, size, 3), np.uint8)) for _ in range(photos)]
    images = torch.stack([classifier.preprocessing(picture) for picture in pictures])
    with torch.no_grad():
        classifier(images)
    bare = peak()
    if explainer is None:
        settings = {"masks": 200} if kind == "rise" else {}
        explanans.explain(classifier, pictures, method=kind, method_options=settings, top_k=2)
    elif kind.startswith("attribute"):
        explainer.attribute(images)
    elif kind.startswith("shards"):
        from explanans.deploy.batch import Options, explain_shards

        with tempfile.TemporaryDirectory() as folder:
            for number, picture in enumerate(pictures):
                picture.save(Path(folder) / f"{number}.png")
            options = Options(batch_size=photos, top_k=2, receipts=True)
            explain_shards(explainer, [folder], Path(folder) / "out", options, workers=0)
    else:
        explainer.explain(pictures, top_k=2)
    return {"bare": bare, "above": peak() - bare}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--classes", type=int, default=10_000)
    parser.add_argument("--photos", type=int, default=8)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--measure", choices=KINDS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.classes, given.photos, given.size)))
        return
    print(f"{given.photos} photos of {given.size} px, {given.classes:,} classes")
    settings = [f"--{name}={getattr(given, name)}" for name in ("classes", "photos", "size")]
    for kind in given.only:
        words = [sys.executable, __file__, *settings, "--measure", kind]
        found = json.loads(subprocess.run(words, capture_output=True, check=True, text=True).stdout)
        print(f"{kind:32} {found['bare']:.2f} GiB bare, {found['above']:.2f} GiB above", flush=True)


if __name__ == "__main__":
    main()
