"""What explaining will cost where a method asks often, and how far it is: questions are counted, no clock is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from explanans import explain
from explanans.classifiers.explanandum import Explanandum
from explanans.deploy.batch import explain_many
from explanans.errors import InputError
from explanans.explanations import asking
from explanans.explanations.asking import Asking, questions
from explanans.explanations.batch import Settings
from explanans.explanations.by_method import ByMethod
from explanans.explanations.explain import pictures_together
from explanans.explanations.selection import Selection
from explanans.images.preprocessing import Preprocessing


class Counting(nn.Module):
    """A detector that finds red in one box, and counts the images that it is shown."""

    transform = None

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[int] = []

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        self.shown.append(len(images))
        scores = [image[0].mean()[None].clamp(0, 1) for image in images]
        return [{"boxes": torch.ones(1, 4), "scores": score, "labels": torch.tensor([1])} for score in scores]


@pytest.fixture
def detector() -> Counting:
    return Counting()


@pytest.fixture
def classifier(detector: Counting) -> Explanandum:
    made = Explanandum.from_detector(
        detector, classes=["red", "none"], preprocessing=Preprocessing(24, (0.0,) * 3, (1.0,) * 3)
    )
    detector.shown.clear()
    return made


def picture() -> Image.Image:
    made = Image.new("RGB", (24, 24))
    made.paste((255, 0, 0), (6, 6, 14, 14))
    return made


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (None, {}),
        ("occlusion", {"window": 0.4, "stride": 0.25}),
        ("rise", {"masks": 30}),
        ("lime", {"samples": 20, "segments": 5}),
    ],
)
@pytest.mark.parametrize(("classes", "receipts"), [(["red"], True), (["red", "none"], True), (["red", "none"], False)])
def test_the_questions_are_foreseen(
    method: str | None,
    options: dict[str, Any],
    classes: list[str],
    receipts: bool,
    classifier: Explanandum,
    detector: Counting,
) -> None:
    if method == "lime":
        pytest.importorskip("captum")
    masker = ByMethod(classifier, method, options, calls=50)
    foreseen = questions(masker, Settings(receipts=receipts), len(classes))
    explain(
        classifier, picture(), method=method, method_options=options, calls=50, classes=classes, receipts=receipts,
        progress=False,
    )  # fmt: skip
    assert sum(detector.shown) == foreseen


def test_what_nobody_knows_before(classifier: Explanandum) -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = Explanandum(
        module, classes=["red", "none"], activation="sigmoid", preprocessing=Preprocessing(24, (0.5,) * 3, (0.5,) * 3)
    )
    assert questions(ByMethod(network, "grad_cam"), Settings()) is None
    assert questions(ByMethod(network, "score_cam"), Settings()) is None
    assert questions(ByMethod(classifier, lambda images, targets, generator=None: images), Settings()) is None


def test_the_price_is_told_before_it_is_paid(
    classifier: Explanandum, detector: Counting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "NOTABLE", 0.0)
    told: list[int] = []
    monkeypatch.setattr(asking.Progress, "say", lambda progress, text: (told.append(sum(detector.shown)), print(text)))
    explain(classifier, [picture(), picture()], classes=["red"], calls=50)
    # The first whole picture; 7 · 7 + 1 of Occlusion, 14 of the cut, 6 of the receipt follow.
    assert told == [1]
    said = capsys.readouterr().out
    assert "occlusion asks the classifier 71 times for a picture" in said
    assert "for 2 pictures. Cheaper:" in said
    explain(classifier, picture(), classes=["red"], calls=50, progress=False)
    assert told == [1]


def test_quick_classifiers_have_no_price(classifier: Explanandum, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(asking.Progress, "say", lambda progress, text: told.append(text))
    monkeypatch.setattr(asking, "NOTABLE", float("inf"))
    explain(classifier, picture(), classes=["red"], calls=50)
    assert told == []


def test_the_total_follows_what_was_asked(classifier: Explanandum) -> None:
    masker = ByMethod(classifier, "rise", {"masks": 10})
    settings = Settings(receipts=False)
    with Asking(masker, 5, settings) as watched:
        assert watched.each == 1 + 10 + 14
        assert watched.total == 5 * 25
        # One of an earlier run, or that cannot be read.
        watched.reached(1)
        assert watched.total == 4 * 25
        assert watched.left is None
        classifier.probabilities(torch.zeros(31, 3, 24, 24))
        assert watched.left is not None
        watched.reached(2)
        assert watched.total == 31 + 3 * 31
        assert watched.progress.total == 124
        assert watched.progress.done == 31


def test_pictures_are_counted_where_questions_are_not(classifier: Explanandum) -> None:
    masker = ByMethod(classifier, "rise", {"masks": 10})
    with Asking(masker, None, Settings(), tiles=True) as watched:
        watched.reached(2, 6)
        assert (watched.progress.done, watched.total) == (2, 6)
        assert watched.progress.left is None
        classifier.probabilities(torch.zeros(1, 3, 24, 24))
        watched.reached(4)
        assert watched.progress.done == 4
        assert watched.progress.left is not None


def test_as_many_classes_as_were_asked_for(classifier: Explanandum) -> None:
    masker = ByMethod(classifier, "rise", {"masks": 10})
    wanted = torch.tensor([[True, True], [True, False]])
    assert Asking(masker, 2, Settings(), wanted).each == 1 + 10 + 2 * (14 + 6)
    assert Asking(masker, 2, Settings(Selection(top_k=2))).each == 1 + 10 + 2 * (14 + 6)
    assert Asking(masker, 2, Settings(), wanted, show=False).each is None


def test_a_stopped_run_keeps_each_picture(classifier: Explanandum, detector: Counting, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        picture().save(path)
    masker = ByMethod(classifier, "rise", {"masks": 10})
    settings = Settings(Selection(["red"]))
    assert pictures_together(masker, settings) == 1

    def stop(done: Any) -> None:
        if done.source == str(paths[1]):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain_many(masker, paths, tmp_path / "out", settings, progress=stop)
    detector.shown.clear()
    again = explain_many(masker, paths, tmp_path / "out", settings)
    assert [done.skipped for done in again] == [True, True, False]
    assert sum(detector.shown) == questions(masker, settings)


def test_occlusion_takes_the_batch_that_was_asked_for(classifier: Explanandum, detector: Counting) -> None:
    explain(classifier, picture(), classes=["red"], calls=50, batch_size=3, progress=False)
    assert max(detector.shown) == 3
    with pytest.raises(InputError, match="batch_size"):
        explain(classifier, picture(), batch_size=0)
