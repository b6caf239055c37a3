"""What an audit costs beside explaining alone, on the same photos, in seconds of a processor, and its memory.

    python benchmarks/audit_cost.py WHO DATA [--split val] [--photos 200] [--batch_size 16]

WHO is a saved classifier or Explainer. The batch job explains the photos, as `explanans explain` does into shards, with
receipts; the audit then finds that done, and its looking (for each photo) and the rest (ways, suspects, report: samples
of bounded size) are timed by themselves. The ratio is 1 + (looking + rest) / explaining. The most memory is told after
the first 1,000 photos of each step, after half and after all of them, and what the process had before the audit began.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch

from explanans.audit import Settings, audit, open_photos
from explanans.audit.pass_over import explain_photos, look_at_all
from explanans.explainers.named import Named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("who")
    parser.add_argument("data")
    parser.add_argument("--split", default="val")
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--batch_size", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    masker = Named(options.who).load()
    photos = open_photos(masker.explanandum, options.data, f"{options.split}[:{options.photos}]")
    settings = Settings(batch_size=options.batch_size)
    memory = {"before": most_memory()}

    def told(step: str, done: int, total: int) -> None:
        for count in (1000, total // 2, total):
            if done <= count:
                memory[f"{step}, {count:,}"] = most_memory()

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "audit"
        out.mkdir()
        marks = [time.process_time()]
        explain_photos(masker, photos, out, settings, workers=0, told=partial(told, "explaining"))
        marks.append(time.process_time())
        look_at_all(masker, photos, out, workers=0, told=partial(told, "looking"))
        marks.append(time.process_time())
        audit(masker, photos, out, settings, workers=0)
        memory["ways, suspects and report"] = most_memory()
        marks.append(time.process_time())
    explaining, looking, rest = (after - before for before, after in pairwise(marks))
    count = len(photos)
    each, look = 1000 * explaining / count, 1000 * looking / count
    print(f"{count} photos: explaining {each:.1f} ms each, looking {look:.1f} ms each")
    print(f"ways, suspects and report {rest:.1f} s in all")
    print(f"{1 + (looking + rest) / explaining:.2f} × explaining alone")
    print("most memory so far: " + "; ".join(f"{name} {value:,.0f} MiB" for name, value in memory.items()))


def most_memory() -> float:
    """Of this process until now, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
