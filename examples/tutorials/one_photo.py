# %% [markdown]
# # One photo
#
# A photo, a classifier of 1,000 classes, nothing trained. What does it see, where, and is that true?

# %%
import os

import explanans
from explanans import Explanandum
from explanans.pipelines.first_look import photos

photo = photos()[0]  # six photos come with the package
print(photo.credit)
classifier = Explanandum.load("sample:efficientnet_lite0")

# %% [markdown]
# ## Explain it
#
# Nobody named a method, so the best that the classifier allows is taken. In a notebook an explanation shows itself.

# %%
explanation = explanans.explain(classifier, str(photo.file))
print(explanation.facts["method"]["name"], "–", explanation.facts["method"]["why"])
explanation

# %% [markdown]
# ## Is it true?
#
# Below each mask stands its receipt: the classifier's probability on the whole photo, on what the mask keeps, on what
# it removes. Here it is in words, and the answers under each fill, of which the worst counts:

# %%
for found in explanation:
    print(f"{found.name}: {found.receipt}")
eagle = explanation["bald eagle"]
print(eagle.receipt.fills)

# %% [markdown]
# Nothing is seen outside of either mask, and nothing through the same mask in another place. The last word is about the
# two together: they are one mask. What makes this wing an eagle's is also what makes it a little of a kite's.
#
# ## A smaller cut
#
# A mask has values from 0 to 1 and is cut at 0.5. Cut higher, it is smaller, if only a little, because masks are
# steep; the receipt says what that costs.

# %%
for threshold in (0.5, 0.9, 0.99):
    cut = explanans.explain(classifier, str(photo.file), classes="bald eagle", mask_threshold=threshold)
    receipt = cut["bald eagle"].receipt
    print(f"cut at {threshold}: area {receipt.area:.2f}, kept {receipt.kept:.2f}, removed {receipt.removed:.2f}")

# %% [markdown]
# ## A class that it does not see
#
# You may ask for any class. The mask then shows what speaks for it *most*; the receipt shows how little that is.

# %%
print(explanans.explain(classifier, str(photo.file), classes="cab")["cab"].receipt)

# %% [markdown]
# ## Another method
#
# The same photo by Grad-CAM. Every method has the same signature and gets the same receipt, so that they compare.

# %%
explanans.explain(classifier, str(photo.file), method="grad_cam", classes=["bald eagle", "kite"])

# %% [markdown]
# ## Keep it
#
# Mask, tinted photo and cut-out are pictures; `explanation.save(folder)` writes them all, with the numbers as JSON.

# %%
explanation.save("eagle")
print(*sorted(os.listdir("eagle")), sep="\n")
eagle.cutout()
