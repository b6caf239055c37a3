"""From the shell to a saved figure of one photo: the whole command, and where its time goes.

    python benchmarks/first_picture.py PHOTO [--who sample:efficientnet_lite0] [--weights FILE] [--turns 3]

The command is run ``turns`` times and its best time by the clock printed, beside the processor time of that run. Then
the same steps are timed inside one process: processor time, which other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

stages: dict[str, float] = {}


@contextmanager
def stage(name: str) -> Iterator[None]:
    before = time.process_time()
    yield
    stages[name] = time.process_time() - before


def whole(photo: str, who: str, weights: list[str]) -> tuple[float, float]:
    """Seconds by the clock and of processor time."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "explanans.cli.main", "explain", who, photo, *weights, "--out", f"{folder}/out"]
        start, used = time.perf_counter(), os.times()
        subprocess.run([*words, "--quiet"], check=True)
        end = os.times()
        processor = end.children_user + end.children_system - used.children_user - used.children_system
        return time.perf_counter() - start, processor


def steps(photo: str, who: str, weights: str | None) -> None:
    with stage("imports"):
        import explanans.cli.commands.explain  # noqa: F401
        from explanans import Explanandum
        from explanans.explanations.batch import Settings, explain_batch
        from explanans.explanations.by_method import ByMethod
        from explanans.explanations.explain import explain_pictures
        from explanans.images.reading import read_image
    with stage("weights"):
        classifier = Explanandum.load(who, weights=weights)
    with stage("choice of the method"):
        masker = ByMethod(classifier)
    with stage("reading the photo"):
        picture = read_image(photo)
        images = classifier.preprocessing(picture)[None]
    with stage("probabilities"):
        probabilities, draw = masker.look(images)
    asked = Settings().selection.seen(classifier, probabilities)
    with stage("maps"):
        masker.maps(images, asked)
    with stage("maps and their cut"):
        draw(asked)
    with stage("all of these and receipts"):
        explain_batch(masker, images, Settings())
    (explanation,) = explain_pictures(masker, [picture], Settings(), [photo])
    with stage("figure"):
        explanation.figure()
    with stage("saving, the figure included"), tempfile.TemporaryDirectory() as folder:
        explanation.save(f"{folder}/out")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photo")
    parser.add_argument("--who", default="sample:efficientnet_lite0")
    parser.add_argument("--weights")
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    weights = [] if given.weights is None else ["--weights", given.weights]
    clock, processor = min(whole(given.photo, given.who, weights) for _ in range(given.turns))
    print(f"the command: {clock:.1f} s by the clock, {processor:.1f} s of processor time")
    steps(given.photo, given.who, given.weights)
    for name, seconds in stages.items():
        print(f"  {name:28} {seconds:.2f} s")


if __name__ == "__main__":
    main()
