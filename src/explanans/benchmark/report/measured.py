"""The data that a benchmark measured, opened again."""

from __future__ import annotations

from explanans.benchmark.results import Results
from explanans.data import LabelledImages, open_dataset
from explanans.images.preprocessing import Preprocessing


def open_measured(results: Results, classifier: str, data: str | None = None) -> LabelledImages:
    """The benchmark's split, as one of its classifiers sees it.

    Args:
        data: where the images lie now; None for where the benchmark found them.

    Raises:
        InputError: data that cannot be opened.
    """
    facts = results.settings["data"]
    preprocessing = Preprocessing.from_dict(results.settings["classifiers"][classifier]["preprocessing"])
    source = facts["source"] if data is None else data
    return open_dataset(source, facts["split"], classes=results.classes(classifier), preprocessing=preprocessing)
