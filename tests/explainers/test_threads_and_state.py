"""What several threads, or a caller with random numbers of his own, may rely on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explanans.classifiers import SmallResNet
from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.sources import Source
from explanans.explainers.explainer import Explainer
from explanans.images.preprocessing import Preprocessing
from explanans.methods import make_method

THREADS = 8
TURNS = 6
CLASSES = ("cat", "dog", "bird")


@pytest.fixture
def explanandum() -> Explanandum:
    torch.manual_seed(0)
    source = Source("explanans:small_resnet", {"num_classes": 3, "widths": [8, 16]})
    preprocessing = Preprocessing(32, (0.5,) * 3, (0.5,) * 3)
    module = SmallResNet(3, widths=(8, 16))
    return Explanandum(module, classes=CLASSES, activation="sigmoid", preprocessing=preprocessing, source=source)


@pytest.fixture(params=["trunk", "compact"])
def explainer(explanandum: Explanandum, request: pytest.FixtureRequest) -> Explainer:
    made = Explainer(explanandum, request.param)
    # The masks of a new network are all but flat, so that nothing could be told apart.
    for part in made.network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.weight, std=0.5, generator=torch.Generator().manual_seed(1))
    return made.eval()


def images(number: int) -> Tensor:
    return torch.randn(1 + number % 3, 3, 32, 32, generator=torch.Generator().manual_seed(number))


def in_threads(work: Callable[[int], Any]) -> list[list[Any]]:
    """What ``work(number)`` returns, again and again, for each of the threads, which all begin at once."""
    begin = threading.Barrier(THREADS)

    def turns(number: int) -> list[Any]:
        begin.wait()
        return [work(number) for _ in range(TURNS)]

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(turns, range(THREADS)))


WORK: dict[str, Callable[[Explainer, int], Tensor]] = {
    "masks": lambda explainer, number: explainer(images(number)).detach(),
    "attribute": lambda explainer, number: explainer.attribute(images(number), CLASSES[number % 3]),
    "masks of some classes": lambda explainer, number: explainer.masks_of(
        images(number), torch.tensor([[number % 3 == column for column in range(3)]] * (1 + number % 3))
    ),
    "both": lambda explainer, number: torch.cat(
        [each.detach().flatten() for each in explainer.predict_and_explain(images(number))]
    ),
}


@pytest.mark.parametrize("work", WORK)
def test_eight_threads_get_the_masks_of_one(explainer: Explainer, work: str) -> None:
    alone = [WORK[work](explainer, number) for number in range(THREADS)]
    for expected, turns in zip(alone, in_threads(lambda number: WORK[work](explainer, number)), strict=True):
        assert all(torch.equal(found, expected) for found in turns)
    assert not any(part._forward_hooks for part in explainer.modules())


def test_threads_leave_every_part_in_its_own_mode(explainer: Explainer) -> None:
    expected = explainer.attribute(images(0), "dog")
    explainer.train()
    explainer.network.coarse.eval() if hasattr(explainer.network, "coarse") else explainer.network.head.eval()
    modes = [part.training for part in explainer.modules()]
    for turns in in_threads(lambda _: explainer.attribute(images(0), "dog")):
        assert all(torch.equal(found, expected) for found in turns)
    assert [part.training for part in explainer.modules()] == modes


@pytest.mark.parametrize("name", ["grad_cam", "score_cam", "spread_cam", "guided_backprop", "deeplift", "smoothgrad"])
def test_methods_give_eight_threads_the_maps_of_one(explanandum: Explanandum, name: str) -> None:
    if name in ("deeplift", "smoothgrad"):
        pytest.importorskip("captum", reason="needs the extra captum")
    method = make_method(name, explanandum, **({"steps": 3} if name == "smoothgrad" else {}))

    def maps(number: int) -> Tensor:
        return method(images(number), [number % 3], torch.Generator().manual_seed(5))

    alone = [maps(number) for number in range(THREADS)]
    for expected, turns in zip(alone, in_threads(maps), strict=True):
        assert all(torch.equal(found, expected) for found in turns)


def test_nothing_thaws_the_classifier(explainer: Explainer) -> None:
    assert explainer.requires_grad_(True) is explainer
    assert not any(each.requires_grad for each in explainer.explanandum.parameters())
    assert all(each.requires_grad for each in explainer.network.parameters())
    explainer.requires_grad_(False)
    assert not any(each.requires_grad for each in explainer.parameters())


def test_loading_leaves_the_callers_random_numbers_alone(explainer: Explainer, tmp_path: Path) -> None:
    explainer.save_pretrained(tmp_path / "explainer")
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    Explainer.from_pretrained(tmp_path / "explainer")
    Explanandum.load(tmp_path / "explainer" / "classifier")
    assert torch.equal(torch.rand(4), expected)
