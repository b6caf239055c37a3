"""How well masks show cracks in whole photos: pixels, regions and measures, beside a network that saw the drawn cracks.

    python examples/cracks/compare.py CRACKS CLASSIFIER --methods grad_cam,layer_cam,spread_cam --unet unet.pt
    python examples/cracks/compare.py CRACKS CLASSIFIER --explainer runs/cracks/explainer/explainer

CRACKS is the folder with images (544 × 384) and masks; CLASSIFIER one of tiles that `run.sh` trains. Photos are
explained in tiles of 224 pixels, as `explanans explain --tile 224 --overlap 0.25` does, and the U-Net of `unet.py`
reads them whole. The cut of each is the one with the best F1 on the last photos for training; nothing is chosen on the
photos that are measured.

Printed are means over photos of precision, recall and F1 within 2 pixels and of IoU; of all drawn regions of at least
16 pixels the share that is found (half of it within 2 pixels of the mask), and of all found ones the share that is
right; and how far area, length and mean width (area / length) are off: the median over photos, and the sum of all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from unet import as_input, network, read, split

import explanans
from explanans import Explanandum
from explanans.explainers.explainer import Explainer
from explanans.explanations.region import Region, find_regions
from explanans.metrics import binarised_iou, tolerant_scores
from explanans.ops.nearness import near

Mask = NDArray[np.float32]
Draw = Callable[[Path], Mask]
CUTS = np.linspace(0.05, 0.95, 19)


class Photo(NamedTuple):
    """Of one photo: precision, recall, F1 and IoU; drawn regions and how many are found; found ones and how many are
    right; area, length and mean width, drawn and found."""

    pixels: tuple[float, float, float, float]
    regions: tuple[int, int, int, int]
    drawn: tuple[float, float]
    found: tuple[float, float]


def ways(given: argparse.Namespace) -> Iterator[tuple[str, Draw]]:
    classifier = Explanandum.load(given.classifier)
    for method in filter(None, given.methods.split(",")):
        yield method, lambda photo, method=method: tiled(classifier, photo, method)
    for path in given.explainer:
        explainer = Explainer.from_pretrained(path)
        yield f"explainer {path.parent.name}", lambda photo, explainer=explainer: tiled(explainer, photo, None)
    if given.unet:
        unet = network().eval()
        unet.load_state_dict(torch.load(given.unet, weights_only=True))
        yield "U-Net", lambda photo: seen(unet, photo)


def tiled(masker: Explanandum | Explainer, photo: Path, method: str | None) -> Mask:
    found = explanans.explain(masker, photo, method=method, tile=224, overlap=0.25, receipts=False)
    pixels, _ = read(photo)
    return found["crack"].mask if "crack" in found else np.zeros(pixels.shape[:2], np.float32)


@torch.no_grad()
def seen(unet: torch.nn.Module, photo: Path) -> Mask:
    return unet(as_input(read(photo)[0])[None]).sigmoid()[0, 0].numpy()


def best_cut(masks: list[Mask], cracks: list[NDArray[np.bool_]]) -> float:
    scores = [np.mean([pixels(mask, crack, cut)[2] for mask, crack in zip(masks, cracks, strict=True)]) for cut in CUTS]
    return float(CUTS[int(np.argmax(scores))])


def pixels(mask: Mask, crack: NDArray[np.bool_], cut: float) -> tuple[float, float, float, float]:
    given = torch.from_numpy(mask)[None], torch.from_numpy(crack)[None]
    found = [*tolerant_scores(*given, threshold=cut), binarised_iou(*given, thresholds=[cut])]
    return tuple(float(each) for each in found)


def measured(mask: Mask, crack: NDArray[np.bool_], cut: float) -> Photo:
    drawn, found = (
        find_regions(crack.astype(np.float32), "crack", 0, 1.0),
        find_regions(mask, "crack", 0, 1.0, threshold=cut),
    )
    masked = torch.from_numpy(mask >= cut)[None]
    regions = (*counted(drawn, masked), *counted(found, torch.from_numpy(crack)[None]))
    sums = [(sum(each.fine_area for each in some), sum(each.length for each in some)) for some in (drawn, found)]
    return Photo(pixels(mask, crack, cut), regions, *sums)


def counted(regions: tuple[Region, ...], other: torch.Tensor) -> tuple[int, int]:
    """How many, and of how many at least half lies within 2 pixels of the other."""
    close = near(other, 2)[0].numpy()
    return len(regions), sum(bool(close[each.mask(*close.shape)].mean() >= 0.5) for each in regions)


def off(photos: list[Photo]) -> str:
    """Median over photos, and of the sums, for area, length and width."""
    drawn, found = (np.array([getattr(photo, side) for photo in photos]) for side in ("drawn", "found"))
    texts = []
    for measure in (
        lambda each: each[..., 0],
        lambda each: each[..., 1],
        lambda each: each[..., 0] / each[..., 1].clip(1),
    ):
        errors = measure(found) / np.maximum(measure(drawn), 1e-9) - 1
        texts.append(f"{np.median(abs(errors)):6.0%} {measure(found.sum(0)) / measure(drawn.sum(0)) - 1:+6.0%}")
    return "  ".join(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cracks", type=Path)
    parser.add_argument("classifier", type=Path)
    parser.add_argument("--methods", default="")
    parser.add_argument("--explainer", type=Path, action="append", default=[])
    parser.add_argument("--unet", type=Path)
    parser.add_argument("--chosen", type=int, default=10, help="photos that the cut is chosen on")
    parser.add_argument("--limit", type=int, default=30, help="photos that are measured")
    given = parser.parse_args()
    _, chosen_on, measured_on = split(given.cracks)
    chosen_on, measured_on = chosen_on[: given.chosen], measured_on[: given.limit]
    print(f"cuts from {len(chosen_on)} photos, measured on {len(measured_on)}")
    print(f"{'':22}  cut precision  recall     F1 (2 px)    IoU   found  right     area          length         width")
    for name, draw in ways(given):
        began = time.process_time()
        photos = [*chosen_on, *measured_on]
        masks, cracks = [draw(photo) for photo in photos], [read(photo)[1] for photo in photos]
        cut = best_cut(masks[: len(chosen_on)], cracks[: len(chosen_on)])
        found = [measured(*pair, cut) for pair in zip(masks[len(chosen_on) :], cracks[len(chosen_on) :], strict=True)]
        values = np.array([photo.pixels for photo in found])
        half = 1.96 * values[:, 2].std(ddof=1) / len(values) ** 0.5
        precision, recall, f1, iou = values.mean(0)
        drawn, seen_, made, right = np.sum([photo.regions for photo in found], axis=0)
        print(
            f"{name:22} {cut:.2f} {precision:9.3f} {recall:7.3f} {f1:6.3f} ±{half:.3f} {iou:6.3f} "
            f"{seen_ / drawn:7.2f} {right / max(made, 1):6.2f}   {off(found)}   {time.process_time() - began:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
