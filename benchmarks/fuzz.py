"""Random damage to everything that is read: what comes out is right or an InputError, quickly and in little memory.

    python benchmarks/fuzz.py [--minutes 10] [--kinds pictures archives …] [--seed 0]

Kinds: bytes of pictures, archives, tables, configurations, JSON records of saved folders, command lines, names with
settings. Nothing is trained or fetched. Each distinct failure is printed once with the smallest input that shows it,
then the number of inputs per kind and by how much the memory grew; the status is 1 if anything failed. The suite runs
the same kinds with a few inputs (tests/benchmarks/test_fuzz.py).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shlex
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded

from fuzz_commands import holds
from fuzz_kinds import KINDS, Kind, Place

SECONDS = 30
GROWTH_MB = 300


@contextlib.contextmanager
def _in_bounds() -> Iterator[None]:
    """At most ``SECONDS``, and ``GROWTH_MB`` more memory than the process ever had."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {SECONDS} seconds")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    handler = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < GROWTH_MB, f"{grown:.0f} MB more memory"


def fuzz(kind: Kind, examples: int, seed: int | None = None) -> int:
    """Try so many inputs, always the same without a seed; raises what the smallest one that fails makes. How many."""
    strategy, use = kind
    tried = 0

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=seed is None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(strategy)
    def hold(case: Any) -> None:
        nonlocal tried
        tried += 1
        with warnings.catch_warnings(), _in_bounds():
            warnings.simplefilter("ignore")
            holds(lambda: use(case))

    (hold if seed is None else seeded(seed)(hold))()
    return tried


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=100, help="inputs of a kind before the next one's turn")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        place = Place(Path(folder))
        chosen = {name: KINDS[name](place) for name in options.kinds}
        tried = dict.fromkeys(chosen, 0)
        begin, seed = time.monotonic(), options.seed
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while time.monotonic() < begin + 60 * options.minutes:
            for name, kind in chosen.items():
                try:
                    tried[name] += fuzz(kind, options.examples, seed)
                except Exception as error:
                    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/explanans/" in f.filename]
                    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "fuzz"
                    key = f"{name}: {type(error).__name__} at {where}"
                    if key not in failures:
                        failures[key] = f"{error}\n" + "\n".join(getattr(error, "__notes__", []))
                        print(f"{key}: {failures[key]}", flush=True)
            seed += 1
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024
    for name, count in tried.items():
        print(f"{name}: {count:,} inputs")
    print(f"{len(failures)} distinct failures, {grown:.0f} MB more memory, {shlex.join(sys.argv)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
