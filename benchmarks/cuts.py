"""What cutting maps into masks gains, in soft IoU and in receipts, and what it costs.

    python benchmarks/cuts.py CLASSIFIER DATA --methods spread_cam "rise?masks=250" --split "train[90%:]" --every 2

For each method, whose settings follow a question mark, over the labels of the photos of a split with segmentations: the
raw map (stretched where it is no mask); the best single threshold for the whole split, chosen on its segmentations and
so only for comparison; Otsu's threshold per map, without asking; and the cut of ``explanans explain``
(explanations/cut.py). "union" is the soft IoU of the pixelwise maximum over a photo's labels with the union of their
regions, "label" that of each label, "several" that of each label of the photos that have several. Area, kept and
removed are means of the receipts of all labels, each the worse of two fills; milliseconds are processor time per map.
"""

from __future__ import annotations

import argparse
import ast
import time
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import parse_qsl

import torch
from torch import Tensor

from explanans import Explanandum
from explanans.explanations.cut import areas_of, choose_cuts, contrast, thresholds
from explanans.explanations.receipt import Receipt, receipts
from explanans.images.segmentations import not_void
from explanans.methods import METHODS, make_method
from explanans.methods.base import pairs_of
from explanans.metrics import soft_iou
from explanans.ops.refinement import stretch
from explanans.utils.memory import keep_freed_memory
from labelled import add_data, pictures

LEVELS = tuple(step / 20 for step in range(2, 18))
BATCH = 8


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", help="folder of a saved classifier")
    add_data(parser, "train[90%:]")
    parser.add_argument("--methods", nargs="+", default=["spread_cam", "grad_cam", "layer_cam", "grad_cam_pp"])
    parser.add_argument("--every", type=int, default=1, help="take each so-many-th photo (default: all)")
    parser.add_argument("--trust_factory", action="store_true", help="run the code that a saved classifier names")
    return parser.parse_args()


def otsu(maps: Tensor) -> Tensor:
    """Each map (P, H, W) binarised where most of its variance lies between inside and outside."""
    cuts = thresholds(maps, [share / 50 for share in range(1, 50)])
    best = contrast(maps, cuts)[0].argmax(1, keepdim=True)
    return (maps >= cuts.gather(1, best)[:, :, None]).float()


def scores(masks: Tensor, regions: Tensor, valid: Tensor) -> tuple[float, Tensor]:
    """Soft IoU of the union of one photo's masks (P, H, W), and of each."""
    union = soft_iou(masks.amax(0, keepdim=True), regions.any(0, keepdim=True), valid[None])
    return union.item(), soft_iou(masks, regions, valid.expand_as(regions))


class Row:
    """A way to masks and what it scored."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.unions: list[float] = []
        self.labels: list[float] = []
        self.several: list[float] = []

    def add(self, masks: Tensor, regions: Tensor, valid: Tensor) -> None:
        union, labels = scores(masks, regions, valid)
        self.unions.append(union)
        self.labels += labels.tolist()
        self.several += labels.tolist() if len(labels) > 1 else []

    def means(self) -> str:
        return "  ".join(f"{mean(values):7.3f}" for values in (self.unions, self.labels, self.several))


def mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


def timed(run: Callable[[], Tensor]) -> tuple[Tensor, float]:
    start = time.process_time()
    return run(), time.process_time() - start


def main() -> None:
    options = arguments()
    keep_freed_memory()
    explanandum = Explanandum.load(options.classifier, trust_factory=options.trust_factory)
    data = pictures(explanandum, options).with_segmentation()
    places = range(0, len(data), options.every)
    print(f"{data.name}, {len(places)} photos, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'method':24} {'masks':16}   union    label  several   area   kept  removed   ms/map")
    for given in options.methods:
        name, _, query = given.partition("?")
        settings = {key: ast.literal_eval(value) for key, value in parse_qsl(query)}
        method = make_method(name, explanandum, **settings)
        raw, by_otsu, cut = Row("raw"), Row("Otsu"), Row("cut by asking")
        fixed = [Row(f"best fixed, {level:.2f}") for level in LEVELS]
        made: list[Receipt] = []
        seconds = {"map": 0.0, "cut": 0.0}
        for place in places:
            sample = data[place]
            image = sample["image"][None].contiguous(memory_format=torch.channels_last)
            asked = sample["labels"].bool()[None]
            if not asked.any():
                continue
            values = asked[0].nonzero()[:, :, None] + 1
            regions, valid = sample["segmentation"] == values, not_void(sample["segmentation"])
            maps, spent = timed(lambda: pairs_of(method, image, asked).detach().float())  # noqa: B023
            seconds["map"] += spent
            whole = explanandum.probabilities(image)
            asking = partial(choose_cuts, explanandum, image, maps, asked, whole, areas=areas_of(method))
            masks, spent = timed(partial(asking, batch_size=BATCH))
            seconds["cut"] += spent
            soft = maps if METHODS[name].normalisation == "raw" else stretch(maps)
            raw.add(soft, regions, valid)
            by_otsu.add(otsu(maps), regions, valid)
            cut.add(masks, regions, valid)
            for row, level in zip(fixed, LEVELS, strict=True):
                row.add((soft >= level).float(), regions, valid)
            made += receipts(explanandum, image, masks, asked, whole=whole, batch_size=BATCH)
        milliseconds = {part: 1000 * spent / len(made) for part, spent in seconds.items()}
        best = max(fixed, key=lambda row: mean(row.unions))
        for row in (raw, best, by_otsu):
            print(f"{given:24} {row.name:16} {row.means()}" + (f"{milliseconds['map']:33.0f}" if row is raw else ""))
        receipt = "  ".join(
            f"{mean([getattr(each, part) for each in made]):5.2f}" for part in ("area", "kept", "removed")
        )
        print(f"{given:24} {cut.name:16} {cut.means()}  {receipt} {milliseconds['cut']:+9.0f}", flush=True)


if __name__ == "__main__":
    main()
