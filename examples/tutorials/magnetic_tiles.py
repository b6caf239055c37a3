# %% [markdown]
# # Defects of magnetic tiles
#
# An industrial case: grey photos of magnetic tiles, each with one kind of defect or none. The labels of the photos
# train a classifier; where the defects are, nobody tells it. Somebody did draw them, so in the end the masks can be
# compared with the truth.
#
# The photos are a part of the set of Huang, Qiu and Yuan, *Surface defect saliency of magnetic tile*, The Visual
# Computer 2018.

# %%
import csv
import os
from pathlib import Path

import numpy as np
from PIL import Image

import explanans
from explanans import Explanandum, Optimizer, Run
from explanans.training.fit_classifier import fit_classifier

short = os.environ.get("TUTORIALS") == "short"  # how the tests run it: a few tiles
shared = Path(os.environ["SHARED"])  # yours: where your photos and weights lie
tiles = shared / "data" / "magnetic-tile"
DEFECTS = ["blowhole", "break", "crack", "fray", "uneven"]

# %% [markdown]
# ## The table
#
# `image,label,split,mask`: one label in a row, and none where there is no defect, which `sigmoid` can say and
# `softmax` cannot. Which column has the labels, and where the photos lie, is said behind a question mark.

# %%
rows = list(csv.DictReader((tiles / "labels.csv").read_text().splitlines()))
if short:
    rows = [row for split in ("train", "val") for row in [each for each in rows if each["split"] == split][::24]]
with open("tiles.csv", "w", newline="") as table:
    writer = csv.DictWriter(table, ["image", "label", "split"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
data = f"table:tiles.csv?labels=label&root={tiles}"
for split in ("train", "val"):
    counts = {name: sum(row["label"] == name and row["split"] == split for row in rows) for name in [*DEFECTS, ""]}
    print(split, counts)

# %% [markdown]
# ## The classifier
#
# From ImageNet's weights: first a linear head, then the last stages. Blank tiles and tiles with holes are among the
# pictures, so that its answer to a masked tile means something.

# %%
folder = fit_classifier(
    "timm:tf_efficientnet_lite0",
    data,
    classes=DEFECTS,
    size=64 if short else 160,
    weights=shared / "weights" / "tf_efficientnet_lite0-imagenet1k.safetensors",
    statistics=((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    activation="sigmoid",
    head_epochs=5 if short else 100,
    trainable_from="blocks.5",
    augment="flip",
    optimizer=Optimizer(3e-4, weight_decay=0.05, schedule="cosine", ema_decay=0.9, freeze_statistics=True),
    run=Run(max_epochs=1 if short else 3, batch_size=16, patience=0, progress=False),
)
classifier = Explanandum.load(folder)

# %% [markdown]
# ## Where does it look?
#
# The first three held-out tiles of different kinds whose defect it sees:

# %%
val = [row for row in rows if row["split"] == "val" and row["label"] in DEFECTS and row["mask"]]
found = explanans.explain(classifier, [tiles / row["image"] for row in val], classes=None, threshold=0.5)
seen = [(row, explanation) for row, explanation in zip(val, found, strict=True) if row["label"] in explanation]
print(f"{len(seen)} of {len(val)} held-out tiles with a defect: it is seen")
firsts = {row["label"]: explanation for row, explanation in reversed(seen)}
[firsts[name] for name in DEFECTS if name in firsts][:3]

# %% [markdown]
# ## Is that where the defect is?
#
# Beside the drawn masks, at the photos' own size: whether the mask touches the defect at all, how much of the defect
# it covers, and how much of the mask is defect.

# %%
for name in DEFECTS:
    scores = []
    for row, explanation in seen:
        truth = np.asarray(Image.open(tiles / row["mask"])) > 0
        if row["label"] == name and truth.any():
            inside = explanation[name].mask >= 0.5
            both = (inside & truth).sum()
            scores.append((both > 0, both / truth.sum(), both / max(inside.sum(), 1), truth.mean(), inside.mean()))
    if scores:
        hit, covered, precise, size, area = np.mean(scores, 0)
        print(
            f"{name:9} {len(scores):2} tiles: {hit:.0%} hit, {covered:.0%} of the defect covered, {precise:.0%} of the "
            f"mask is defect; defect {size:.1%} of the tile, mask {area:.1%}"
        )

# %% [markdown]
# Three epochs on a small picture see 19 of the 47 defects. Where one is seen, the mask is on it, but much larger than
# the defect: no cut below 3 % of a picture is tried, and a blowhole has 0.2 %. So the masks tell where to look, not how
# large the defect is. Larger tiles and a longer training come first; then an Explainer.
