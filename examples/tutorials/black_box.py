# %% [markdown]
# # A black box
#
# A service that answers pictures with probabilities, and nothing else: no weights, no layers, no gradients. It can be
# explained all the same, by asking it often. Here the service is a function that counts how often it is asked; behind
# it stands the sample classifier, of which nothing is used but its answers.

# %%
import os

import numpy as np
import torch

import explanans
from explanans import Explanandum, Preprocessing
from explanans.pipelines.first_look import photos

short = os.environ.get("TUTORIALS") == "short"  # how the tests run it: fewer questions
inside = Explanandum.load("sample:efficientnet_lite0")
asked = 0


def service(pictures: np.ndarray) -> np.ndarray:
    """uint8 pictures (N, height, width, 3) → probabilities (N, classes). Yours would send them to a server."""
    global asked
    asked += len(pictures)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        return inside.probabilities((images - 0.5) / 0.5).numpy()


# %% [markdown]
# ## Wrap it
#
# What comes out, which classes, which size: a function cannot tell, so it is said. Shape, range and sums are then
# checked at every call.

# %%
box = Explanandum.from_function(
    service,
    classes=inside.classes,
    outputs="softmax",
    preprocessing=Preprocessing(size=224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
)
box.differentiable

# %% [markdown]
# ## Explain it
#
# Occlusion covers one square after another and asks what that takes away. `calls` is how often at most; with more,
# the squares are smaller. Receipts are asked of the box as well, and so is where to cut: that is the rest of the count.

# %%
photo = photos()[2]
print(photo.credit)
asked = 0
explanation = explanans.explain(box, str(photo.file), calls=8 if short else 400)
print(f"asked {asked} times;", explanation.facts["method"]["name"], "–", explanation.facts["method"]["why"])
explanation

# %% [markdown]
# ## How often is enough?
#
# Fewer questions, larger squares. The receipts say what that costs on this photo:

# %%
top = explanation.classes[0]
for calls in (4,) if short else (50, 100, 200):
    asked = 0
    found = explanans.explain(box, str(photo.file), classes=top, calls=calls)[top]
    receipt = found.receipt
    print(f"{asked} asked: area {receipt.area:.2f}, kept {receipt.kept:.2f}, removed {receipt.removed:.2f}")

# %% [markdown]
# ## What it does not do
#
# A method that looks inside refuses, and says what to do:

# %%
try:
    explanans.explain(box, str(photo.file), method="grad_cam")
except explanans.InputError as error:
    print(error)

# %% [markdown]
# For many photos hundreds of questions each are too dear. Ask once, train a *surrogate* and an Explainer on it, and
# then nothing more is asked for a mask: [Black boxes](../black-boxes.md).
