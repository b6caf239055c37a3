"""A large picture in tiles: what it costs beside its tiles alone, how much memory it takes, and whether seams show.

    python benchmarks/tiles.py                  # seams, and time beside the tiles alone
    python benchmarks/tiles.py --scan 10000     # time of each step and the most memory of a picture of 10,000 × 10,000,
                                                # from a file to saved files, regions too; with --receipts receipts too

Classifier (MobileNetV3) and Explainer (three layers) are small ones that are not trained: what is measured is what the
tiles add, and to slower networks they add less.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from explanans.classifiers.explanandum import Explanandum
from explanans.explainers.explainer import Explainer
from explanans.explanations.batch import Settings, explain_batch
from explanans.explanations.region import RegionSettings
from explanans.explanations.selection import Selection
from explanans.explanations.tiled_explanation import tiled_explanation
from explanans.explanations.tiles import Tiling
from explanans.images.preprocessing import Preprocessing
from explanans.images.reading import read_image
from explanans.ops.windows import places

TILE, BATCH = 224, 16


def made_picture(side: int, seed: int = 0) -> Image.Image:
    """Clouds of three sizes, cut out anywhere, so that their own grids do not fall on the tiles'."""
    random = np.random.default_rng(seed)
    total = np.zeros((side, side, 3), np.uint8)
    for cells, weight in ((307, 90), (61, 60), (13, 40)):
        wide = side + 2 * cells
        count = wide // cells
        clouds = Image.fromarray(random.integers(0, weight, (count, count, 3), np.uint8))
        left, top = random.integers(0, cells, 2).tolist()
        box = [place * count / wide for place in (left, top, left + side, top + side)]
        total += np.asarray(clouds.resize((side, side), Image.Resampling.BICUBIC, box)).clip(0, weight)
    return Image.fromarray(total)


class Wavering(nn.Module):
    """Random filters, smoothed, and scaled in each tile anew, so that two tiles disagree about what they share."""

    def __init__(self) -> None:
        super().__init__()
        layers = [
            nn.Conv2d(3, 32, 7, 2, 3),
            nn.ReLU(),
            nn.Conv2d(32, 32, 5, 2, 2),
            nn.ReLU(),
            nn.Conv2d(32, 2, 5, 1, 2),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return 2 * functional.instance_norm(functional.avg_pool2d(self.layers(images), 9, 1, 4))


def made_explainer() -> Explainer:
    torch.manual_seed(0)
    module = torchvision.models.mobilenet_v3_small(num_classes=2)
    preprocessing = Preprocessing(size=TILE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    classifier = Explanandum(module, classes=["crack", "clean"], activation="sigmoid", preprocessing=preprocessing)
    return Explainer(classifier, Wavering()).eval()


def tiles_alone(explainer: Explainer, picture: Image.Image, tiling: Tiling, settings: Settings) -> float:
    """Processor seconds for every tile as a picture of its own, cut beforehand."""
    size = tiling.size
    corners = [
        (top, left)
        for top in places(picture.height, size, tiling.overlap)
        for left in places(picture.width, size, tiling.overlap)
    ]
    total = 0.0
    for start in range(0, len(corners), BATCH):
        some = corners[start : start + BATCH]
        crops = [picture.crop((left, top, left + size, top + size)) for top, left in some]
        began = time.process_time()
        inputs = torch.stack([explainer.explanandum.preprocessing(crop) for crop in crops])
        explain_batch(explainer, inputs, settings)
        total += time.process_time() - began
    return total


def seam(mask: NDArray[np.float32], overlap: float) -> float:
    """The mean step of a mask across the sides of tiles, over the mean step 4 to 16 pixels beside them."""
    across, beside = [], []
    for axis in (0, 1):
        steps = np.abs(np.diff(mask, axis=axis)).mean(1 - axis)
        starts = places(mask.shape[axis], TILE, overlap)
        for side in sorted({*starts[1:], *(start + TILE for start in starts[:-1])}):
            across.append(steps[side - 1])
            beside += [*steps[side - 17 : side - 4], *steps[side + 3 : side + 16]]
    return float(np.mean(across) / np.mean(beside))


def memory() -> float:
    """The most that this process had since it began, in MiB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=5 * TILE, help="of the picture that seams are looked for in")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scan", type=int, default=0, metavar="SIDE", help="measure such a picture instead")
    parser.add_argument("--tile", type=int, default=TILE)
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--cut", type=float, default=0.97, help="of a scan's masks: a few hundredths are inside")
    parser.add_argument("--receipts", action="store_true")
    given = parser.parse_args()
    explainer = made_explainer()
    cut = given.cut if given.scan else 0.5
    settings = Settings(Selection(threshold=0.0), mask_threshold=cut, receipts=given.receipts, batch_size=BATCH)
    tiling = Tiling(given.tile, given.overlap)
    if given.scan:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scan.png"
            made_picture(given.scan).save(path, compress_level=1)
            measure_scan(path, settings, tiling, Path(folder) / "out")
        return
    picture = made_picture(given.side)
    tiled_explanation(explainer, made_picture(TILE * 2), settings, tiling)
    alone, whole = [], []
    for _ in range(given.rounds):
        alone.append(tiles_alone(explainer, picture, tiling, settings))
        began = time.process_time()
        found = tiled_explanation(explainer, picture, settings, tiling)
        whole.append(time.process_time() - began)
    print(
        f"{found.facts['tiles']['tiles']} tiles: alone {min(alone):.2f} s, as one picture {min(whole):.2f} s, "
        f"{min(whole) / min(alone):.2f} ×"
    )
    for overlap in (0.0, 0.25, 0.5):
        pictures = [made_picture(given.side, seed) for seed in range(given.rounds)]
        ratios = [
            seam(each.mask, overlap)
            for picture in pictures
            for each in tiled_explanation(explainer, picture, settings, Tiling(TILE, overlap))
        ]
        print(
            f"overlap {overlap}: steps across tiles' sides {np.mean(ratios):.3f} × those beside them "
            f"({min(ratios):.3f} to {max(ratios):.3f} in {len(ratios)} masks)"
        )


def measure_scan(path: Path, settings: Settings, tiling: Tiling, out: Path) -> None:
    """In a process of its own, so that what made the picture does not count."""
    import multiprocessing

    process = multiprocessing.get_context("spawn").Process(target=_scan, args=(path, settings, tiling, out))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the scan ended with {process.exitcode}")


def _scan(path: Path, settings: Settings, tiling: Tiling, out: Path) -> None:
    """Every step with its own seconds of the processor, and the most memory so far."""
    explainer = made_explainer()
    steps: list[float] = []
    last = time.process_time()

    def say(what: str) -> None:
        nonlocal last
        steps.append(time.process_time() - last)
        print(f"{what}: {steps[-1]:.1f} s, at most {memory():,.0f} MiB", flush=True)
        last = time.process_time()

    print(f"networks loaded: {memory():,.0f} MiB", flush=True)
    picture = read_image(path)
    say("read")
    found = tiled_explanation(explainer, picture, settings, tiling, str(path))
    say(f"{found.facts['tiles']['tiles']} tiles explained and blended, {len(found)} classes")
    regions = found.regions(RegionSettings(), explainer.explanandum if settings.receipts else None)
    largest = max((each.inside.size for each in regions), default=0)
    say(f"{len(regions)} regions, the largest in a box of {largest:,} pixels")
    found.save(out, regions)
    say("saved")
    alone = tiles_alone(explainer, picture, tiling, settings)
    explained, whole = steps[0] + steps[1], sum(steps)
    print(
        f"the tiles alone: {alone:.1f} s; read, explained and blended {explained / alone:.2f} ×, "
        f"with regions and saving {whole / alone:.2f} ×"
    )


if __name__ == "__main__":
    main()
