# %% [markdown]
# # Your own data, from a table
#
# Photos and a table with their labels: from there to a classifier, an Explainer for it, and masks of photos that
# neither has seen. So that it runs anywhere, the pictures here are generated: textured shapes, small, with exact
# masks to compare with in the end. On your photos only the first step is another.

# %%
import os
from pathlib import Path

import torch

from explanans import Explainer, Explanandum, Optimizer, Preprocessing, Run, fit, open_dataset
from explanans.data.scenes import write_scenes
from explanans.training.fit_classifier import fit_classifier
from explanans.training.verdict import Verdict

short = os.environ.get("TUTORIALS") == "short"  # how the tests run it: less of everything

# %% [markdown]
# ## The table
#
# A row for each picture: its path, its labels, the split. The column `segmentation` is optional, and nothing is
# trained on it.

# %%
write_scenes("scenes", train=16 if short else 600, val=4 if short else 60, size=64, quiet=True)
preprocessing = Preprocessing(64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
scenes = {split: open_dataset("scenes:scenes", split, preprocessing=preprocessing) for split in ("train", "val")}
with open("pictures.csv", "w") as table:
    print("image,labels,split", file=table)
    for split, data in scenes.items():
        for path, labels in zip(data.paths, data.labels, strict=True):
            names = ";".join(data.classes[c] for c in labels.nonzero().flatten().tolist())
            print(f"{os.path.relpath(path)},{names},{split}", file=table)
print(*Path("pictures.csv").read_text().splitlines()[:4], sep="\n")

# %% [markdown]
# ## A classifier
#
# If you have one, leave this out. With your photos take `"timm:resnet18"`, which begins with ImageNet's weights; this
# small network begins with nothing. `sigmoid`, because a picture may show several classes.

# %%
folder = fit_classifier(
    "explanans:small_resnet",
    "table:pictures.csv",
    size=64,
    weights=None,
    activation="sigmoid",
    augment="turn",
    blanks=0.125,
    hidden=0.25,
    optimizer=Optimizer(3e-3, weight_decay=0.05, schedule="cosine", ema_decay=0.99),
    run=Run(max_epochs=1 if short else 14, batch_size=16, patience=0, progress=False),
)
classifier = Explanandum.load(folder)
classifier.classes

# %% [markdown]
# ## An Explainer
#
# Trained on the labels alone; the classifier stays as it is. A training ends with a verdict, a comparison with what
# needs no training; it is left out here, because the end of this page has a better one. On photos leave the settings
# out: what holds without tuning is the default.

# %%
torch.manual_seed(0)
explainer = Explainer(classifier, "compact/small_resnet", encoder_weights="explanandum")
saved = fit(
    explainer,
    "table:pictures.csv",
    objective="stalder2022",
    objective_options={
        "entropy_weight": 0.5,
        "ignorance": "absent",
        "target_weight": 0.5,
        "non_target_weight": 1.0,
        "bound_weight": 0.0,
        "tv_weight": 1.5,
    },
    augment="turn",
    optimizer=Optimizer(3e-3, weight_decay=0.01, schedule="cosine", ema_decay=0.99),
    run=Run(max_epochs=1 if short else 4, batch_size=16, patience=0, progress=False),
    verdict=Verdict(images=0),
)

# %% [markdown]
# ## Use it
#
# The same call as without training, and the same receipts. The two most probable classes, whatever their probability:

# %%
explainer = Explainer.from_pretrained(saved)
picture = next(
    path for path, labels in zip(scenes["val"].paths, scenes["val"].labels, strict=True) if labels.sum() >= 2
)
explainer.explain(picture, top_k=2)

# %% [markdown]
# ## Did it work?
#
# These pictures have exact masks, so the masks of the labels can be compared with them: soft intersection over union
# on pictures that nothing was trained on, beside Grad-CAM of the same classifier.

# %%
from explanans.methods import make_method
from explanans.metrics import label_region, normalise, soft_iou
from explanans.ops.masking import merge

held_out = open_dataset("scenes:scenes", "val", preprocessing=classifier.preprocessing)
some = [held_out[i] for i in range(len(held_out)) if held_out.labels[i].any()][: 4 if short else 60]
images, labels, truth = (torch.stack([each[key] for each in some]) for key in ("image", "labels", "segmentation"))
region = label_region(truth, labels)[0]
grad_cam = normalise(make_method("grad_cam", classifier)(images, labels), "minmax")
with torch.no_grad():
    for name, masks in (("Explainer", explainer(images)), ("Grad-CAM", grad_cam)):
        print(f"{name}: {soft_iou(merge(masks, labels)[0], region).mean():.2f} on {len(some)} pictures")

# %% [markdown]
# A little better than Grad-CAM, and not good: 600 small pictures are few for networks that begin with nothing. The
# classifier gives its classes less than a half, and the receipts above call the masks weak and empty. `explanans demo`
# does the same with 4,000 pictures; on photos, begin with ImageNet's weights.
