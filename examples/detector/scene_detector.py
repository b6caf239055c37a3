"""A small detector of torchvision's form (FCOS, Tian et al., ICCV 2019), trained on the boxes of generated scenes.

    python examples/detector/scene_detector.py SCENES --out runs/detector [--epochs 8]

Writes ``detector.safetensors`` and, as a saved classifier, ``classifier``; ``make`` is the factory by which that is
built again, so this file must be importable (PYTHONPATH); see run.sh.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator

from explanans import Explanandum, Preprocessing
from explanans.classifiers import SmallResNet
from explanans.classifiers.sources import DetectorBox

CHANNELS, SIZE, BATCH = 64, 96, 16
SIDES = ("xmin", "ymin", "xmax", "ymax")


class Backbone(nn.Sequential):
    """Features (N, 64, h / 8, w / 8)."""

    out_channels = CHANNELS


def make(num_classes: int = 6) -> DetectorBox:
    """The detector with random weights, reduced to a classifier."""
    trunk = SmallResNet(num_classes, (16, 32, CHANNELS))
    detector = FCOS(
        Backbone(trunk.stem, trunk.blocks),
        num_classes + 1,
        min_size=SIZE,
        max_size=SIZE,
        anchor_generator=AnchorGenerator(((16,),), ((1.0,),)),
        score_thresh=0.05,
        topk_candidates=100,
    )
    return DetectorBox(detector, num_classes)


class Boxes(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    def __init__(self, scenes: Path, split: str, classes: list[str]) -> None:
        self.scenes, self.classes = scenes, classes
        self.names = (scenes / "ImageSets" / "Segmentation" / f"{split}.txt").read_text().split()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: int) -> tuple[Tensor, dict[str, Tensor]]:
        name = self.names[place]
        objects = ElementTree.parse(self.scenes / "Annotations" / f"{name}.xml").findall("object")
        sides = [[float(each.findtext(f"bndbox/{side}", "")) for side in SIDES] for each in objects]
        # VOC counts pixels from 1, and the last one belongs to the box.
        boxes = torch.tensor(sides).reshape(-1, 4) - torch.tensor([1.0, 1.0, 0.0, 0.0])
        labels = torch.tensor([1 + self.classes.index(each.findtext("name", "")) for each in objects], dtype=torch.long)
        with Image.open(next((self.scenes / "JPEGImages").glob(f"{name}.*"))) as picture:
            pixels = torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1) / 255
        return pixels, {"boxes": boxes, "labels": labels}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    torch.manual_seed(0)
    classes = (options.scenes / "classes.txt").read_text().split("\n")[:-1]
    box = make(len(classes))
    detector = box.module.train()
    scenes = Boxes(options.scenes, "train", classes)
    loader = DataLoader(scenes, BATCH, shuffle=True, collate_fn=lambda rows: list(zip(*rows, strict=True)))
    optimiser = torch.optim.AdamW(detector.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=options.epochs * len(loader))
    for epoch in range(options.epochs):
        begun, losses = time.monotonic(), []
        for images, targets in loader:
            loss = sum(detector(list(images), list(targets)).values())
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(detector.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        seconds = time.monotonic() - begun
        print(f"epoch {epoch + 1} of {options.epochs}: loss {np.mean(losses):.3f}, {seconds:.0f} s", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    weights = options.out / "detector.safetensors"
    save_file(box.state_dict(), weights)
    # It normalises pictures itself.
    pixels = Preprocessing(SIZE, (0.0,) * 3, (1.0,) * 3)
    classifier = Explanandum.load(
        "scene_detector:make", weights=weights, classes=classes, activation="sigmoid", preprocessing=pixels
    )
    classifier.save(options.out / "classifier")


if __name__ == "__main__":
    main()
