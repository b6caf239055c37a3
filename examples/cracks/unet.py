"""A U-Net that learns from the drawn cracks themselves: what labels alone give away.

    python examples/cracks/unet.py CRACKS WEIGHTS OUT

CRACKS is the folder with images (544 × 384) and masks of the same names; WEIGHTS are ImageNet weights of
EfficientNet-Lite0 (.safetensors), with which the encoder begins. It learns from the photos that `prepare.py` trains on,
but for the last tenth, and writes OUT, which `compare.py` reads. Needs segmentation-models-pytorch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from PIL import Image
from prepare import number
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

CROP, BATCH, STEPS, RATE = 160, 8, 240, 1e-3
HELD = 0.1
"""The share of the photos for training on which settings are chosen: the last ones."""


def split(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Photos to train on, to choose settings on, and to measure on, as `prepare.py` has them."""
    photos = sorted((folder / "images").iterdir(), key=lambda path: number(path.stem))
    train = [path for path in photos if number(path.stem) % 5]
    first = round(len(train) * (1 - HELD))
    return train[:first], train[first:], [path for path in photos if number(path.stem) % 5 == 0]


def read(photo: Path) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Pixels (H, W, 3) and where the crack is."""
    drawn = photo.parents[1] / "masks" / f"{photo.stem}.png"
    return np.asarray(Image.open(photo).convert("RGB")), np.asarray(Image.open(drawn)) > 0


def network(weights: Path | None = None) -> nn.Module:
    made = smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, classes=1, decoder_channels=(128, 64, 32, 16, 16))
    if weights is not None:
        missing = made.encoder.model.load_state_dict(load_file(weights), strict=False).missing_keys
        if missing:
            raise SystemExit(f"{weights} has no {missing[0]}")
    return made.to(memory_format=torch.channels_last)


def as_input(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 127.5 - 1


def crops(photos: list[tuple[NDArray[np.uint8], NDArray[np.bool_]]], random: np.random.Generator) -> list[Tensor]:
    """A batch: crops that are turned and mirrored."""
    images, cracks = [], []
    for place in random.integers(len(photos), size=BATCH):
        pixels, crack = photos[place]
        top, left = (int(random.integers(side - CROP + 1)) for side in crack.shape)
        turn, mirror = int(random.integers(4)), 1 - 2 * int(random.integers(2))
        pixels, crack = (
            np.rot90(each[top : top + CROP, left : left + CROP], turn)[:, ::mirror] for each in (pixels, crack)
        )
        images.append(as_input(pixels))
        cracks.append(torch.from_numpy(crack.copy()).float()[None])
    return [torch.stack(images), torch.stack(cracks)]


def loss_of(logits: Tensor, cracks: Tensor) -> Tensor:
    """Binary cross-entropy plus 1 − soft Dice of the batch."""
    guessed = logits.sigmoid()
    dice = (2 * (guessed * cracks).sum() + 1) / (guessed.sum() + cracks.sum() + 1)
    return functional.binary_cross_entropy_with_logits(logits, cracks) + 1 - dice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cracks", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    photos = [read(photo) for photo in split(given.cracks)[0]]
    made = network(given.weights).train()
    optimizer = torch.optim.AdamW(made.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS, pct_start=0.1)
    for step in range(STEPS):
        images, cracks = crops(photos, random)
        loss = loss_of(made(images.contiguous(memory_format=torch.channels_last)), cracks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0 or step == STEPS - 1:
            print(f"step {step}: {loss.item():.3f}, {time.process_time():.0f} s", flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(made.state_dict(), given.out)


if __name__ == "__main__":
    main()
