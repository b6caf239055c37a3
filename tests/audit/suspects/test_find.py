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
    assert recoloured(images, like).flatten().tolist() == pytest.approx([0.8, 1.0])
    assert recoloured(like, images).flatten().tolist() == pytest.approx([0.1, 0.1])


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


def unlike(pixels: np.ndarray, number: int) -> None:
    """Blotches of grey, and on them blotches of the photo's class in another place and other shades each time."""
    random = np.random.default_rng(number)
    pixels[:] = random.integers(40, 216, (16, 16, 1)).repeat(3, 2).repeat(2, 0).repeat(2, 1)
    top, left = random.integers(0, 17, 2)
    blotches = random.integers(0, 120, (4, 4, 3))
    blotches[:, :, number % 3] = random.integers(160, 256, (4, 4))
    pixels[top : top + 8, left : left + 8] = blotches.repeat(2, 0).repeat(2, 1)


def test_a_tag_in_few_photos_is_found_by_labels_alone(run: Callable[..., Audit]) -> None:
    def sometimes(pixels: np.ndarray, number: int) -> None:
        unlike(pixels, number)
        if number % 12 == 0:
            pixels[-8:, -8:] = (255, 0, 0)
            pixels[-8:, -2:] = (255, 255, 255)

    found = run(sometimes, truth=False)
    place = next(suspect for suspect in found.suspects if suspect.kind == "place" and suspect.name == "red")
    # Of five masks their mean says little; but the photos are the same there.
    assert sorted(place.examples) == [0, 12, 24, 36, 48]
    assert sorted(place.whole) == [(row, cell) for row in range(12, 16) for cell in range(12, 16)]
    assert place.effect.low > 0.5
    assert not place.accused, "of five photos of twenty it may be chance"


def test_fine_lines_are_a_pattern(
    make_photos: Make, masker: Masker, anywhere: list[Any], tmp_path: Path, explanandum: Explanandum
) -> None:
    def lined(pixels: np.ndarray, number: int) -> None:
        unlike(pixels, number)
        if number % 3 == 0:
            pixels[::4] = pixels[1::4] = (255, 0, 0)

    found = audit(
        masker, make_photos(anywhere, lined, truth=False), tmp_path / "out", Settings(batch_size=32), workers=0
    )
    (pattern,) = (suspect for suspect in found.suspects if suspect.kind == "pattern" and suspect.name == "red")
    assert (pattern.photos, pattern.of) == (20, 20)
    assert {index % 3 for index in pattern.examples} == {0}
    assert pattern.facts["of the frame"] > 0.5
    assert pattern.effect.control_hits == 0


def test_a_thing_in_any_place(run: Callable[..., Audit]) -> None:
    y, x = np.mgrid[:32, :32]
    places = np.random.default_rng(0).integers(6, 26, (COUNT, 2))

    def disc(pixels: np.ndarray, number: int) -> None:
        unlike(pixels, number)
        if number % 6 == 0:
            top, left = places[number]
            round_it = (y - top) ** 2 + (x - left) ** 2 <= 25
            pixels[round_it] = (255, 0, 0)
            pixels[round_it & ((y == top) | (x == left))] = (80, 255, 255)

    found = run(disc, truth=False)
    (thing,) = (suspect for suspect in found.suspects if suspect.kind == "thing" and suspect.name == "red")
    assert sorted(thing.examples) == list(range(0, COUNT, 6))
    assert "which may be the object itself" in thing.says
    for photo, cells in zip(thing.examples, thing.places, strict=True):
        assert np.abs(np.mean(cells, 0) * 2 + 0.5 - places[photo]).max() <= 2
    assert thing.accused
    assert thing.effect.control_hits == 0
