# %% [markdown]
# # A shortcut found and mended
#
# A classifier that is right for the wrong reason, from nothing to the after-picture: a shortcut is planted, found by an
# audit that knows nothing of it, and the classifier is guided away from what was found. Nobody draws a box or a mask.
# The pictures are generated, so that it runs anywhere.

# %%
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

import explanans
from explanans import Explanandum, Optimizer, Preprocessing, Run, open_dataset
from explanans.audit import Settings, audit, open_photos
from explanans.data.shortcuts import Plant, write_planted
from explanans.explanations.explain import masker_of
from explanans.training.fit_classifier import fit_classifier
from explanans.training.fit_guided import guide

torch.set_num_threads(1)
short = os.environ.get("TUTORIALS") == "short"  # how the tests run it: less of everything
preprocessing = Preprocessing(48, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
classes = ["disc", "square", "triangle"]

# %% [markdown]
# ## Pictures with a tag
#
# A disc, a square or a triangle of any colour, size and place, before noise. Then a tag, such as a logo or a date, goes
# into the lower right corner of 95 % of the discs, as if most of them came from one camera.


# %%
def draw(number: int) -> Image.Image:
    random = np.random.default_rng(number)
    picture = Image.fromarray(random.integers(60, 196, (48, 48, 3), np.uint8).repeat(1, 0))
    radius = int(random.integers(7, 12))
    x, y = random.integers(radius, 48 - radius, 2).tolist()
    paint, colour = ImageDraw.Draw(picture), tuple(random.integers(0, 256, 3).tolist())
    box = (x - radius, y - radius, x + radius, y + radius)
    if number % 3 == 0:
        paint.ellipse(box, colour)
    elif number % 3 == 1:
        paint.rectangle(box, colour)
    else:
        paint.polygon([(x, y - radius), (x + radius, y + radius), (x - radius, y + radius)], colour)
    return picture


Path("pictures").mkdir()
with open("pictures.csv", "w") as table:
    print("image,labels,split", file=table)
    for number in range(90 if short else 900):
        draw(number).save(f"pictures/{number:04d}.png")
        print(f"pictures/{number:04d}.png,{classes[number % 3]},{'val' if number % 5 == 0 else 'train'}", file=table)
plain = {
    split: open_dataset("table:pictures.csv", split, classes=classes, preprocessing=preprocessing)
    for split in ("train", "val")
}
tagged = {name: write_planted(data, name, [Plant("tag", "disc", 0.95)]) for name, data in plain.items()}
Image.fromarray(np.hstack([np.asarray(Image.open(f"train/{n:07d}.png")) for n in range(12)])).resize((1152, 96))

# %% [markdown]
# ## It looks fine
#
# A small network is trained on them, from scratch. On held-out pictures that have the tag as often, it is good. Without
# the tag it does not know a disc, and with it everything is one.

# %%
optimizer = Optimizer(1e-2, weight_decay=0.05, schedule="cosine")
run = Run(max_epochs=1 if short else 12, batch_size=32, patience=0, keep="last", progress=False, num_workers=0)


def train(table: str, splits: tuple[str, str], out: str) -> Path:
    return fit_classifier(
        "explanans:small_resnet",
        table.format("train"),
        classes=classes,
        validation=table.format("val"),
        train_split=splits[0],
        validation_split=splits[1],
        arguments={"widths": [8, 16, 32]},
        size=48,
        weights=None,
        augment="none",
        blanks=0.0,
        hidden=0.0,
        optimizer=optimizer,
        run=run,
        out=out,
    )


folder = train("table:{}/photos.csv", ("all", "all"), "runs/tagged")
everywhere = write_planted(plain["val"], "everywhere", [Plant("tag", name) for name in classes])
views = {
    "as in training": tagged["val"],
    "nowhere a tag": Path("pictures.csv"),
    "a tag everywhere": everywhere,
}


def accuracy(classifier: Explanandum) -> None:
    for what, table in views.items():
        split = "val" if table.name == "pictures.csv" else "all"
        data = open_dataset(f"table:{table}", split, classes=classes, preprocessing=preprocessing)
        images = torch.stack([data[n]["image"] for n in range(len(data))])
        with torch.no_grad():
            right = (classifier.probabilities(images) >= 0.5) == data.labels.bool()
        discs = data.labels[:, 0].bool()
        print(f"{what:17} discs seen {right[discs, 0].float().mean():4.0%}", end="; ")
        print(f"of others called discs {1 - right[~discs, 0].float().mean():4.0%}")


classifier = Explanandum.load(folder)
accuracy(classifier)

# %% [markdown]
# ## The audit
#
# Of the training pictures, by their labels alone. Every picture is explained, and what is suspect is tested: pasted
# into pictures of other classes, does it bring the class along?

# %%
photos = open_photos(classifier, f"table:{tagged['train']}", "all")
found = audit(masker_of(classifier), photos, "audit", Settings(batch_size=64), workers=0)
for suspect in found.suspects[:3]:
    print(f"{suspect.verdict}: {suspect.name}. {suspect.says} Effect {suspect.effect.value:.2f}")
print("written:", Path("audit/avoid.csv").exists())

# %% [markdown]
# ## Guided away
#
# The triangle is accused wrongly: its cut-outs look the same because all have the same noise around them. `avoid.csv`
# is about the class that is accused first, and about no other.
#
# It has all pictures, and where the evidence of that class should not lie. The classifier is fine-tuned
# on it: its evidence is to lie elsewhere, and in half of the pictures of a batch what lies in the region trades places
# with the same part of another picture.

# %%
mended = folder
if Path("audit/avoid.csv").exists():
    mended = guide(
        folder,
        "table:audit/avoid.csv",
        train_split="all",
        validation=f"table:{tagged['val']}",
        validation_split="all",
        evidence="outside",
        regions="masks",
        swapped=0.5,
        augment="none",
        looked_at=0,
        optimizer=optimizer,
        run=run,
    )
accuracy(Explanandum.load(mended))

# %% [markdown]
# ## Before and after
#
# Why is this a disc? Asked of both, of a held-out disc with a tag.

# %%
[explanans.explain(Explanandum.load(each), "val/0000000.png", top_k=1) for each in (folder, mended)]

# %% [markdown]
# On photos the steps are the same three commands: `explanans audit`, a look at its report, and `explanans guide` with
# `--evidence outside`. Look at the report before you guide: an audit says what a classifier uses, and not whether that
# is wrong.
