# %% [markdown]
# # A benchmark
#
# Three methods and two constants on the six photos of the package, with the sample classifier. Six photos decide
# nothing, and the intervals will say so; on yours only the table is longer.

# %%
import os
import shutil

from explanans.benchmark import BenchmarkSettings, MethodSettings, run_benchmark
from explanans.benchmark.report.benchmark_page import write_report
from explanans.pipelines.first_look import photos

short = os.environ.get("TUTORIALS") == "short"  # how the tests run it: two photos, fewer scores

with open("photos.csv", "w") as table:
    print("image,labels,split", file=table)
    for number, photo in enumerate(photos()[: 2 if short else None]):
        with photo.file.open("rb") as source, open(f"{number}.jpg", "wb") as copy:
            shutil.copyfileobj(source, copy)
        print(f"{number}.jpg,{photo.label},val", file=table)
print(open("photos.csv").read())

# %% [markdown]
# ## What is compared
#
# `constant_1` shows everything and `constant_half` a half of everything, everywhere: what a mask is worth that says
# nothing. These photos have no true masks, so the scores are those that ask the classifier.

# %%
settings = BenchmarkSettings(
    classifiers={"efficientnet_lite0": "sample:efficientnet_lite0"},
    data="table:photos.csv",
    methods={
        name: MethodSettings(classes="labels")
        for name in ("spread_cam", "grad_cam", "layer_cam", "constant_half", "constant_1")
    },
    metrics=["kept"] if short else ["kept", "saliency"],
    reference="spread_cam",
    cost_images=1 if short else 2,
    cost_seconds=0.1 if short else 2,
    keep_maps=0 if short else 6,
)
results = run_benchmark(settings, "benchmark")

# %% [markdown]
# ## What came out
#
# Means over the photos with 95 % intervals. Kept: the probability on what the mask keeps, higher is better; removed:
# on what is left, lower is better.

# %%
columns = ("kept", "removed", "area") if short else ("kept", "removed", "area", "saliency")
for row in results.summary(*columns):
    cells = "  ".join(
        f"{name} {row[name]:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]" for name in columns
    )
    print(f"{row['method']:14} {cells}")

# %% [markdown]
# `constant_1` keeps best and removes best, and explains nothing: these two scores mean something only together with
# the area. The intervals of the methods overlap: six photos cannot tell them apart.
#
# ## The page and the tables
#
# `report.html` stands alone; `tables.md` and `tables/` have Markdown, LaTeX and CSV.

# %%
write_report(results, "report")
sorted(os.listdir("report"))
