"""What an audit costs beside explaining alone, on the same photos, in seconds of a processor, and its memory.

    python benchmarks/audit_cost.py WHO DATA [--split val] [--photos 200]

WHO is a saved classifier or Explainer. The batch job explains the photos, as `explanans explain` does into shards, with
receipts; the audit then finds that done, and its looking (for each photo) and the rest (ways, suspects, report: samples
of bounded size) are timed by themselves. The ratio for N photos is 1 + (looking · N + rest) / (explaining · N).
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
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
    options = parser.parse_args()
    torch.set_num_threads(1)
    masker = Named(options.who).load()
    photos = open_photos(masker.explanandum, options.data, f"{options.split}[:{options.photos}]")
    settings = Settings()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "audit"
        out.mkdir()
        marks = [time.process_time()]
        explain_photos(masker, photos, out, settings, workers=0)
        marks.append(time.process_time())
        look_at_all(masker, photos, out, workers=0)
        marks.append(time.process_time())
        audit(masker, photos, out, settings, workers=0)
        marks.append(time.process_time())
    explaining, looking, rest = (after - before for before, after in pairwise(marks))
    count = len(photos)
    each, look = 1000 * explaining / count, 1000 * looking / count
    print(f"{count} photos: explaining {each:.1f} ms each, looking {look:.1f} ms each")
    print(f"ways, suspects and report {rest:.1f} s in all")
    for number in (count, 10_000):
        print(f"{number:,} photos: {1 + (looking / count * number + rest) / (explaining / count * number):.2f} ×")
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


if __name__ == "__main__":
    main()
