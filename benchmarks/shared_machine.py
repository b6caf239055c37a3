"""A training step of the demo's classifier and of its Explainer, where other programs keep cores busy.

    python benchmarks/shared_machine.py [--steps 20] [--kinds classifier explainer]
        [--threads auto 1 2] [--waiting active passive] [--busy 0 1 2]

For every number of busy loops beside it, of threads and way of waiting, a process of its own trains on a few scenes,
and the median step after the warm-up is printed in ms: the clock's and the processor's. "passive" sets
OMP_WAIT_POLICY=PASSIVE, so that OpenMP's threads sleep while they wait.
"others" is how many cores all other programs had meanwhile, the loops included: where that is well above the number of
loops, the machine was not as quiet as its row says. A process that is not done within ``--limit`` seconds is ended.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning.pytorch.profilers import Profiler

from explanans import Explainer, Explanandum, Run, fit
from explanans.data.scenes import write_scenes
from explanans.pipelines.demo import BLANKS, HIDDEN, MASKS, NETWORK, OBJECTIVE, SETTINGS
from explanans.training.fit_classifier import FROM_SCRATCH, fit_classifier
from explanans.utils.memory import keep_freed_memory
from explanans.utils.threads import Load

SCENES = 320
WARM_UP = SCENES // 16 + 5
RUN = Run(max_epochs=1000, batch_size=16, patience=0, seed=0, precision="auto", channels_last=True, progress=False)


class Enough(Exception):
    """All steps are measured."""


class Timed(Profiler):
    """Clock and processor time of the steps after the warm-up; then the training ends."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.done = 0
        self.marks: list[tuple[float, float]] = []
        self.load = Load()

    def start(self, action_name: str) -> None:
        """Every step begins where the one before it ended."""

    def stop(self, action_name: str) -> None:
        if action_name != "run_training_batch":
            return
        self.done += 1
        if self.done == WARM_UP:
            self.load = Load()
        if self.done >= WARM_UP:
            self.marks.append((time.perf_counter(), time.process_time()))
        if len(self.marks) > self.steps:
            print(json.dumps(self.result()))
            raise Enough

    def result(self) -> dict[str, float]:
        others, threads = self.load.look(), torch.get_num_threads()
        steps = [
            [1000 * (after - before) for before, after in zip(one, other, strict=True)]
            for one, other in pairwise(self.marks)
        ]
        clock, own = (median(each) for each in zip(*steps, strict=True))
        return {"clock": clock, "own": own, "others": others, "threads": threads}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", nargs="+", default=["auto", "1", str(os.cpu_count())])
    parser.add_argument("--waiting", nargs="+", choices=("active", "passive"), default=["active", "passive"])
    parser.add_argument("--busy", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--kinds", nargs="+", default=["classifier", "explainer"])
    parser.add_argument("--limit", type=float, default=100)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        train(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_scenes(work / "scenes", train=SCENES, val=32, test=0, quiet=True)
        fit_classifier(
            "explanans:small_resnet",
            f"scenes:{work / 'scenes'}",
            weights=None,
            run=replace(RUN, max_epochs=1),
            out=work / "start",
        )
        for busy in arguments.busy:
            for kind in arguments.kinds:
                for threads in arguments.threads:
                    for waiting in arguments.waiting:
                        measured(arguments, work, busy, kind, threads, waiting)


def measured(arguments: argparse.Namespace, work: Path, busy: int, kind: str, threads: str, waiting: str) -> None:
    """Print the row of one condition."""
    command = [sys.executable, __file__, "--work", str(work), "--kinds", kind, "--threads", threads]
    command += ["--steps", str(arguments.steps)]
    environment = {**os.environ, **({"OMP_WAIT_POLICY": "PASSIVE"} if waiting == "passive" else {})}
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        ended = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=arguments.limit, check=True
        )
        found = json.loads(ended.stdout.splitlines()[-1])
        said = "{clock:7.1f} ms, processor {own:7.1f} ms, others {others:.2f} cores, {threads:.0f} threads at the end"
        said = said.format(**found)
    except subprocess.TimeoutExpired:
        said = f"not done in {arguments.limit:.0f} s"
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    print(f"{busy} busy  {kind:10} threads {threads:4} {waiting:7} {said}", flush=True)


def train(arguments: argparse.Namespace) -> None:
    """The steps of one condition, in this process."""
    keep_freed_memory()
    timed = Timed(arguments.steps)
    threads: Any = arguments.threads[0] if arguments.threads[0] == "auto" else int(arguments.threads[0])
    run = replace(RUN, threads=threads, gradient_clip_val=5.0 if arguments.kinds == ["explainer"] else 0.0)
    data = f"scenes:{arguments.work / 'scenes'}"
    with tempfile.TemporaryDirectory() as out, suppress(Enough):
        if arguments.kinds == ["explainer"]:
            classifier = Explanandum.load(arguments.work / "start" / "classifier")
            explainer = Explainer(classifier, NETWORK, encoder_weights="explanandum")
            fit(
                explainer,
                data,
                objective=OBJECTIVE,
                objective_options=SETTINGS,
                augment="turn",
                optimizer=MASKS,
                run=run,
                out=out,
                trainer_options={"profiler": timed},
            )
        else:
            fit_classifier(
                "explanans:small_resnet",
                data,
                weights=None,
                augment="turn",
                blanks=BLANKS,
                hidden=HIDDEN,
                optimizer=FROM_SCRATCH,
                run=run,
                out=out,
                trainer_options={"profiler": timed},
            )


if __name__ == "__main__":
    main()
