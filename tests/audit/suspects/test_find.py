"""Shortcuts that are put into photos for a classifier of which it is known what it uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from explanans.audit import Audit, Photos, Settings, audit
from explanans.audit.suspects.shared_evidence import unheld_suspects
from explanans.audit.suspects.tints import recoloured
from explanans.classifiers.explanandum import Explanandum
from explanans.explanations.batch import Masker

Make = Callable[..., Photos]
COUNT = 60


@pytest.fixture
def anywhere(square: Any, explanandum: Explanandum) -> list[Any]:
    """A square of each class in turn, anywhere but in the lower right corner."""
    random = np.random.default_rng(0)
    return [[square(explanandum.classes[n % 3], *random.integers(0, 17, 2).tolist())] for n in range(COUNT)]


def tagged(pixels: np.ndarray, number: int) -> None:
    """A red tag in the lower right corner of every other photo of red."""
    if number % 6 == 0:
        pixels[-7:-1, -7:-1] = (255, 0, 0)


@pytest.fixture
def run(make_photos: Make, masker: Masker, anywhere: list[Any], tmp_path: Path) -> Callable[..., Audit]:
    def run(draw: Callable[[np.ndarray, int], None] | None = None, **options: object) -> Audit:
        photos = make_photos(anywhere, draw, **options)
        return audit(masker, photos, tmp_path / "out", Settings(batch_size=32), workers=0)

    return run


def test_a_tag_in_a_corner_is_accused_first(run: Callable[..., Audit]) -> None:
    found = run(tagged)
    accused = {(suspect.kind, suspect.name) for suspect in found.suspects if suspect.accused}
    assert accused >= {("place", "red"), ("context", "red")}
    assert {name for _, name in accused} == {"red"}
    assert found.suspects[0].name == "red"
    place = next(suspect for suspect in found.suspects if suspect.kind == "place")
    assert (place.photos, place.of) == (10, 20)
    assert {index % 6 for index in place.examples} == {0}
    assert "lower right" in place.says
    assert min(min(cell) for cell in place.region) >= 12
    # Wherever it is pasted the class appears, and nothing else does that.
    assert place.effect.hits == place.effect.tried > 20
    assert place.effect.control_hits == 0
    assert place.facts["same"] > 0.9
    context = next(suspect for suspect in found.suspects if suspect.kind == "context")
    assert (context.photos, context.of) == (10, 20)
    assert {index % 6 for index in context.examples} == {0}
    lines = (found.folder / "look_at.csv").read_text().splitlines()
    assert lines[0] == "rank,accused,kind,class,photo,file,why"
    assert lines[1].startswith("1,yes,")


def test_nothing_is_accused_where_only_the_objects_count(run: Callable[..., Audit]) -> None:
    assert [suspect for suspect in run().suspects if suspect.accused] == []


def test_a_tag_is_found_without_objects_too(run: Callable[..., Audit]) -> None:
    found = run(tagged, truth=False)
    kinds = {suspect.kind for suspect in found.suspects if suspect.accused and suspect.name == "red"}
    assert "place" in kinds
    assert not {"context", "outside"} & {suspect.kind for suspect in found.suspects}


def test_colours_of_the_whole_photo(run: Callable[..., Audit]) -> None:
    def blue(pixels: np.ndarray, number: int) -> None:
        if number % 3 == 2:
            pixels[:] = (64, 64, 255)

    colours = [suspect for suspect in run(blue).suspects if suspect.kind == "colours"]
    assert [(suspect.name, suspect.photos, suspect.accused) for suspect in colours] == [("blue", 20, True)]


def test_mean_colours_by_hand() -> None:
    images = torch.tensor([0.0, 0.2]).view(1, 1, 1, 2)
    like = torch.tensor([0.9, 0.9]).view(1, 1, 1, 2)
    low, high = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    assert recoloured(images, like, low, high).flatten().tolist() == pytest.approx([0.8, 1.0])
    assert recoloured(like, images, low, high).flatten().tolist() == pytest.approx([0.1, 0.1])


def test_receipts_that_do_not_hold(make_rows: Callable[..., Any]) -> None:
    table = make_rows(np.zeros((8, 2), np.float32), word=["holds"] * 4 + ["weak"] * 3 + ["shared with cat"])
    (found,) = unheld_suspects(table)
    assert (found.photos, found.of, found.accused) == (4, 8, False)
    assert "3 weak, 1 shared" in found.says
    assert found.effect.value == 0.5
    assert unheld_suspects(table.slice(0, 6)) == []


@pytest.mark.bad_input
def test_one_class_alone_has_nothing_to_be_pasted_into(
    make_photos: Make, masker: Masker, square: Any, tmp_path: Path
) -> None:
    photos = make_photos([[square("red", 4, 4)]] * 12)
    found = audit(masker, photos, tmp_path / "out", Settings(batch_size=32), workers=0)
    assert [suspect for suspect in found.suspects if suspect.accused] == []
    assert found.ways[1:] == [[], []]
