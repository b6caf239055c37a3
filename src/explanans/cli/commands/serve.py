"""Explain photos in a browser: a page for a team on its own network.

Drop photos on the page; it shows the classes, a mask and a receipt for each, and lets you move the cut. Any classifier
or trained Explainer, as for explain. Nothing is written to the disk, nothing is sent elsewhere, and nothing of a photo
is logged. Ctrl-C stops it. Needs pip install 'explanans[serve]'.
"""

from __future__ import annotations

import sys
from contextlib import closing

from explanans.cli.options import Given, Part
from explanans.cli.output import say
from explanans.deploy import serve
from explanans.deploy.serve import Limits, Sample, Who, repeat_lines
from explanans.explainers.named import Named
from explanans.explanations.batch import Settings
from explanans.explanations.by_method import ByMethod
from explanans.explanations.selection import Selection
from explanans.pipelines.package_photos import Photo, photos
from explanans.utils.devices import choose_device
from explanans.utils.threads import exactly

PARTS = (
    Part(
        Named, without=("whole_evidence",), names={"name": "who", "classes": "class_names"}, defaults={"batch_size": 8}
    ),
    Part(Limits),
)


def run(
    given: Given,
    host: str = "127.0.0.1",
    port: int = 8000,
    root_path: str = "",
    top_k: int | None = None,
    threshold: float | None = None,
    receipts: bool = True,
    threads: int | None = None,
    device: str = "auto",
) -> int:
    """Serve it.

    Args:
        host: who may come: 127.0.0.1 is this machine alone, 0.0.0.0 whoever reaches it. There are no accounts.
        port: of the address; 0 for any that is free.
        root_path: where a proxy has put the page, such as /explanans.
        top_k: explain this many of the most probable classes of every photo.
        threshold: a class is seen from this probability on, in [0, 1]; null for 0.5, or with softmax for the most
            probable class and up to two others from 0.1 on. The page explains any other class when it is pointed at.
        receipts: make receipts.
        threads: of a processor for the networks; null for no more than cores are free.
        device: auto, cpu, cuda, cuda:1, mps.
    """
    limits, named = given.call(Limits), given.call(Named)
    selection = Selection(top_k=top_k, threshold=threshold)
    with closing(serve.open_socket(host, port)) as opened:
        # A second pool of threads, though it sleeps, makes those of the first wait in a slower way (GNU OpenMP, as soon
        # as there are more threads than cores): the thread that computes is to have the only one.
        with exactly(1):
            masker = named.load().to(choose_device(device))
        if isinstance(masker, ByMethod):
            say(f"method: {masker.name} ({masker.why})")
        app = serve.make_app(
            masker,
            Settings(selection, receipts=receipts, batch_size=named.batch_size),
            limits=limits,
            samples=[_sample(photo) for photo in photos()],
            repeat=repeat_lines(_who(named)),
            threads=threads,
        )
        bound, number = opened.getsockname()[:2]
        shown = f"[{bound}]" if ":" in bound else bound
        say(f"Open http://{shown}:{number}/ in a browser. Ctrl-C stops the server.")
        # Whoever started it through a pipe waits for this line.
        sys.stdout.flush()
        serve.listen(app, opened, root_path=root_path, deadline=limits.deadline)
    say("stopped")
    return 0


def _sample(photo: Photo) -> Sample:
    return Sample(
        photo.file.name,
        photo.file.read_bytes(),
        photo.label,
        photo.author,
        photo.author_url,
        photo.source,
        photo.licence,
    )


def _who(named: Named) -> Who:
    load = {
        "classes": named.classes,
        "activation": named.activation,
        "preprocessing": named.preprocessing,
        "weights": named.weights,
        "trust_factory": named.trust_factory,
    }
    return Who(named.name, named.is_explainer(), named.method, named.method_options, load)
