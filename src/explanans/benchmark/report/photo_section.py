"""The section of photos: where they come from, how they were chosen, how to read them."""

from __future__ import annotations

from collections.abc import Sequence

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.report import page as html
from explanans.benchmark.report.grid import draw_grid
from explanans.benchmark.report.heatmaps import scale
from explanans.benchmark.results import Results
from explanans.data import LabelledImages, open_dataset
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing

CHANGED = "Beware: these pictures or their labels are not the ones that were measured; the fingerprint differs."


def photo_section(
    results: Results,
    classifier: str,
    methods: Sequence[str],
    data: LabelledImages | None,
    budget: int,
) -> list[str]:
    """The photos with their explanation, or a sentence that says why there are none.

    Args:
        methods: in the order in which they are shown.
        data: the images; None to open what the benchmark names.
        budget: bytes of markup.

    Raises:
        InputError: data of other classes.
    """
    found, reason = (data, "") if data is not None else _find_data(results, classifier)
    if found is None:
        return [html.paragraph(f"No photos are shown: {reason}")]
    if list(found.classes) != results.classes(classifier):
        raise InputError(
            f"data has the classes {list(found.classes)}, the benchmark's are {results.classes(classifier)}; open the "
            "data with the benchmark's classes."
        )
    found = found.with_background(results.settings["settings"].get("background", []))
    grid = draw_grid(results, classifier, methods, found, budget)
    if not grid.unselected:
        return [html.paragraph("No photos are shown: the benchmark kept no maps, or the data has none of its images.")]
    outline = " White line: the true object." if found.has_segmentation else ""
    kept = f"the {grid.kept} images whose maps were kept"
    parts = [
        html.paragraph(
            "Each map on the photo in grey, all methods on one scale from 0 to 1." + outline + " IoU: soft IoU of the "
            "map shown with the objects of its class. Hatched: there is no map."
        ),
        *([] if _measured_on(results, found) else [html.paragraph(CHANGED)]),
        scale(1.0),
        html.paragraph(f"Unselected: the first {len(grid.unselected)} of {kept}."),
        html.group("photos", grid.unselected),
    ]
    if grid.disagreeing:
        title = COLUMNS[grid.metric].title if grid.metric else ""
        parts += [
            html.paragraph(
                f"Where methods disagree most: of the others of {kept}, the {len(grid.disagreeing)} with the highest "
                f"variance of {title} over the methods."
            ),
            html.group("photos", grid.disagreeing),
        ]
    return parts


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


def _measured_on(results: Results, data: LabelledImages) -> bool:
    """Whether the images are those that the benchmark saw, by the fingerprint of names, file sizes and labels."""
    places = {name: place for place, name in enumerate(data.names)}
    if not set(results.images) <= places.keys():
        return False
    same = data.subset([places[name] for name in results.images])
    return same.fingerprint() == results.settings["data"]["fingerprint"]


def _find_data(results: Results, classifier: str) -> tuple[LabelledImages | None, str]:
    """The data set that the benchmark names, or why it cannot be had."""
    if not results.settings["data"].get("source"):
        return None, "the benchmark does not say where its data lies; give it with --data."
    try:
        return open_measured(results, classifier), ""
    except (InputError, OSError) as error:
        return None, f"{error} Give the data with --data."
