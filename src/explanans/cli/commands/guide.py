"""Fine-tune a classifier so that its evidence lies where it should: inside of boxes or masks, or outside of a suspect.

Regions are the segmentations of the data, of all pictures or of a few; the others teach their labels alone. It ends
with what was measured before and after: how good the classifier is, and where its evidence lies on pictures that it has
not learned from, also by methods that it was not guided by.
"""

from __future__ import annotations

import json

from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.methods import METHODS
from explanans.training.fit_classifier import FINE_TUNING
from explanans.training.fit_guided import RUN, guide
from explanans.training.processes import is_first

PARTS = (Part(guide, without=("trainer_options",), defaults={"optimizer": FINE_TUNING, "run": RUN}),)


def run(given: Given) -> int:
    folder = given.call(guide)
    if is_first():
        saved = json.loads((folder / "explanandum.json").read_text(encoding="utf-8"))
        before, after = saved["before"], {"metrics": saved["metrics"], "evidence": saved["evidence"]}
        rows = [(name, before["metrics"][name], value) for name, value in after["metrics"].items()]
        for name, scores in after["evidence"].items():
            if name in before["evidence"]:
                title = METHODS[name].title
                rows += [
                    (f"{title}: evidence on the regions", before["evidence"][name]["energy"], scores["energy"]),
                    (f"{title}: soft IoU", before["evidence"][name]["iou"], scores["iou"]),
                ]
        width = max(len(name) for name, _, _ in rows)
        say(f"{'':{width}}  before  after")
        for name, old, new in rows:
            say(f"{name:{width}}  {old:6.3f} {new:6.3f}")
        say(f"saved in {folder}; next: explanans explain {folder} PICTURES")
    return 0
