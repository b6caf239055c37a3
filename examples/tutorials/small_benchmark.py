# %% [markdown]
# # A benchmark
#
# Three methods, a constant and the truth, on generated scenes whose masks are exact. Forty small pictures decide
# little, and the intervals say so; on yours only the data and the classifier are others.

# %%
import os

from explanans import Optimizer, Run
from explanans.benchmark import BenchmarkSettings, MethodSettings, run_benchmark
from explanans.benchmark.report.benchmark_page import write_report
from explanans.data.scenes import write_scenes
from explanans.training.fit_classifier import fit_classifier

short = os.environ.get("TUTORIALS") == "short"  # how the tests run it: less of everything

# %% [markdown]
# ## Pictures and a classifier
#
# A small network, trained for a few seconds: it has to know something, or there is nothing to explain.

# %%
write_scenes("scenes", train=16 if short else 400, val=4 if short else 40, size=64, quiet=True)
classifier = fit_classifier(
    "explanans:small_resnet",
    "scenes:scenes",
    size=64,
    weights=None,
    augment="turn",
    blanks=0.125,
    hidden=0.25,
    optimizer=Optimizer(3e-3, weight_decay=0.05, schedule="cosine", ema_decay=0.9),
    run=Run(max_epochs=1 if short else 8, batch_size=16, patience=0, progress=False),
)

# %% [markdown]
# ## What is compared
#
# `constant_1` shows everything, everywhere: what a mask is worth that says nothing. `ground_truth` is the drawn mask:
# how far a score can go with this classifier.

# %%
settings = BenchmarkSettings(
    classifiers={"small_resnet": str(classifier)},
    data="scenes:scenes",
    methods={name: MethodSettings() for name in ("spread_cam", "grad_cam", "layer_cam", "constant_1", "ground_truth")},
    metrics=["segmentation", "kept"],
    reference="spread_cam",
    cost_images=1 if short else 4,
    cost_seconds=0.1 if short else 1,
    keep_maps=0 if short else 12,
)
results = run_benchmark(settings, "benchmark")

# %% [markdown]
# ## What came out
#
# Means over the pictures with 95 % intervals. `iou_soft`: overlap with the truth, higher is better; `kept`: the
# probability on what the mask keeps, higher is better; `removed`: on what is left, lower is better.

# %%
columns = ("iou_soft", "kept", "removed", "area")
print(f"{'':14}" + "".join(f"{name:>20}" for name in columns))
for row in results.summary(*columns, steps="own"):
    cells = [f"{row.mean[name]:.2f} [{row.low[name]:.2f}, {row.high[name]:.2f}]" for name in columns]
    print(f"{row.method:14}" + "".join(f"{cell:>20}" for cell in cells))

# %% [markdown]
# Read the constant first. It keeps best and removes best, and explains nothing: these two scores mean something only
# together with the area. Its `kept` is the classifier's probability on the whole picture, about 0.3: this classifier
# knows little yet, and no method can be better than what it explains. Grad-CAM overlaps with the truth less than the
# constant does; the intervals of Spread-CAM and LayerCAM meet.
#
# ## The page and the tables
#
# `report.html` stands alone; `tables.md` and `tables/` have Markdown, LaTeX and CSV.

# %%
write_report(results, "report")
print(*sorted(os.listdir("report")), sep="\n")
