"""A first look: real photos, a classifier of 1,000 classes, masks and receipts at once, with nothing trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from importlib import resources
from pathlib import Path

from explanans.benchmark.report import page as html
from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.explain import explain
from explanans.explanations.explanation import Explanation
from explanans.methods import METHODS
from explanans.pipelines.package_photos import Photo, photos
from explanans.utils.files import atomic_file
from explanans.utils.threads import beside_others

CLASSIFIER = "sample:efficientnet_lite0"
SHOWN = ("spread_cam", "grad_cam")
PAGE = "photos.html"
WIDTH = 900


@beside_others()
def first_look(
    out: str | Path,
    *,
    methods: Sequence[str] = SHOWN,
    classifier: Explanandum | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Explain the package's photos by each method and show them on one page, picture by picture.

    Args:
        out: folder that gets ``photos.html`` and a PNG for each photo, of the first method.
        methods: names of :data:`explanans.methods.METHODS`.
        classifier: None takes the sample classifier, whose weights the extra ``sample`` brings.
        say: is told of every picture when it is there.

    Returns:
        the page.

    Raises:
        InputError: the extra is not installed, or a method does not fit the classifier.
    """
    out = Path(out)
    explanandum = Explanandum.load(CLASSIFIER) if classifier is None else classifier
    parts: list[str] = []
    for photo in photos():
        found = [_explained(explanandum, photo, method) for method in methods]
        figure = found[0].figure()
        path = out / f"{Path(photo.file.name).stem}.png"
        with atomic_file(path) as temporary:
            figure.save(temporary, "PNG")
        say(f"     {path}: {', '.join(f'{each.name} {each.probability:.2f}' for each in found[0])}")
        parts += [html.heading(photo.label)]
        for method, explanation in zip(methods, found, strict=True):
            caption = escape(f"{METHODS[method].title}. Photo: {photo.credit}")
            parts.append(html.picture(explanation.figure(), _alternative(explanation), caption, WIDTH))
    page = out / PAGE
    with atomic_file(page) as temporary:
        temporary.write_text(html.page("Real photos, explained without training", INTRODUCTION, *parts), "utf-8")
    return page


INTRODUCTION = html.paragraph(
    "Nothing was trained for these pictures. A method marks what speaks for a class; the classifier is then asked how "
    "much of it is needed, which makes a mask. Below each stands the classifier's answer to the whole photo, to what "
    "the mask keeps and to what it removes: a good mask is small, keeps the class and takes it away."
)


def _explained(explanandum: Explanandum, photo: Photo, method: str) -> Explanation:
    with resources.as_file(photo.file) as path:
        found = explain(explanandum, path, method=method)
    assert isinstance(found, Explanation)
    return found


def _alternative(explanation: Explanation) -> str:
    """The figure in words, for those who do not see it."""
    return "; ".join(f"{each.name}, probability {each.probability:.2f}, {each.receipt}" for each in explanation)
