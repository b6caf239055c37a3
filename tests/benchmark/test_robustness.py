from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explanans.benchmark.batches import read_pictures
from explanans.benchmark.calling import Caller
from explanans.benchmark.known_pictures import Pictures
from explanans.benchmark.robustness import _shuffle, _stages, cascade, sensitivity
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages
from explanans.explainers.explainer import Explainer
from explanans.methods import Method, make_method
from explanans.metrics.sensitivity import LIMIT

PICTURES = Pictures(
    torch.full((3, 3, 6, 6), 0.5), torch.tensor([[1, 0], [0, 1], [1, 1]]).bool(), None, None, None, (4, 7, 9)
)


def run(name: str, explanandum: Explanandum, val: LabelledImages, stages: int = 3, seed: int = 0, **arguments):
    def make(classifier: Explanandum) -> Method:
        return make_method(name, classifier, **arguments)

    caller = Caller(name, make(explanandum), seed=0)
    pictures = read_pictures(val, [0, 1], torch.device("cpu"))
    step = "minmax" if name == "grad_cam" else "raw"
    with torch.no_grad():
        return cascade(caller, explanandum, make, pictures, step, stages=stages, seed=seed)


def test_a_method_that_ignores_the_classifier_stays_as_it_was(explanandum: Explanandum, val: LabelledImages) -> None:
    before = explanandum.weights_hash
    for name in ("evidence", "noise"):
        found = run(name, explanandum, val)
        assert found["randomised"] == "classifier"
        assert len(found["stages"]) == 3
        for stage in found["stages"]:
            assert abs(stage["spearman"] - 1) < 1e-5
            assert abs(stage["ssim"] - 1) < 1e-5
            assert stage["failed"] == 0
    del explanandum.__dict__["weights_hash"]
    assert explanandum.weights_hash == before


def test_a_method_that_reads_the_classifier_changes(explanandum: Explanandum, val: LabelledImages) -> None:
    found = run("grad_cam", explanandum, val)
    layers = [stage["layers"] for stage in found["stages"]]
    assert layers[0] == ["head"]
    names = [name for name, part in explanandum.module.named_modules() if list(part.parameters(recurse=False))]
    assert [name for stage in layers for name in stage] == names[::-1]
    assert found["stages"][-1]["spearman"] < 0.9
    for stage in found["stages"]:
        assert stage["spearman"] == sum(stage["per_image"]["spearman"]) / 2
    assert run("grad_cam", explanandum, val) == found
    assert run("grad_cam", explanandum, val, seed=1) != found


def test_an_explainers_own_network_is_randomised(explanandum: Explanandum, val: LabelledImages) -> None:
    torch.manual_seed(0)
    explainer = Explainer(explanandum, "compact").eval()
    before = {name: value.clone() for name, value in explainer.state_dict().items()}
    found = run("explainer", explanandum, val, stages=2, explainer=explainer)
    assert found["randomised"] == "mask network"
    assert found["stages"][-1]["spearman"] < 0.9
    assert all(torch.equal(value, before[name]) for name, value in explainer.state_dict().items())


def test_an_image_without_a_map_counts_as_unchanged(explanandum: Explanandum, val: LabelledImages) -> None:
    for stage in run("fails", explanandum, val, stages=1, above=-9.0)["stages"]:
        assert stage["failed"] == 2
        assert stage["spearman"] == stage["ssim"] == 1


def test_stages_take_each_layer_once() -> None:
    network = nn.Sequential(*(nn.Linear(2, 2) for _ in range(6)), nn.ReLU())
    for stages in (1, 2, 4, 6, 9):
        taken = [[name for name, _ in stage] for stage in _stages(network, stages)]
        assert [name for stage in taken for name in stage] == ["5", "4", "3", "2", "1", "0"]
        assert len(taken) == min(stages, 6)
        assert stages == 1 or taken[0] == ["5"]


def test_shuffling_keeps_the_values() -> None:
    layer = nn.Linear(8, 8)
    before: Tensor = layer.weight.detach().clone()
    _shuffle(layer, torch.Generator().manual_seed(0))
    assert torch.equal(layer.weight.flatten().sort().values, before.flatten().sort().values)
    assert not torch.equal(layer.weight, before)


def sensitivities(method, places=(0, 1, 2)) -> dict[int, float]:
    return sensitivity(Caller("m", method, seed=0), PICTURES, places, "raw", samples=3)


def test_a_map_that_ignores_the_image_is_stable_even_if_it_draws() -> None:
    def drawn(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.rand(*targets.shape, 6, 6, generator=generator) * targets[:, :, None, None]

    assert sensitivities(drawn) == {0: 0.0, 1: 0.0, 2: 0.0}


def test_what_changes_with_the_image_is_counted_relative_to_the_map() -> None:
    seen: list[Tensor] = []

    def image(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        seen.append(images)
        return images[:, :1] * targets[:, :, None, None]

    found = sensitivities(image, places=(1,))
    original, *noisy = (each[0, 0] for each in seen)
    expected = max((each - original).norm() / original.norm() for each in noisy)
    assert found == {1: pytest.approx(expected.item(), rel=1e-5)}
    assert len(noisy) == 3
    assert max((each - original).abs().max() for each in noisy) <= 0.02 + 1e-6

    # Every method meets the same noise.
    first = [each.clone() for each in seen]
    seen.clear()
    sensitivity(Caller("another", image, seed=0), PICTURES, (1,), "raw", samples=3)
    assert all(torch.equal(a, b) for a, b in zip(first, seen, strict=True))


def test_a_failure_on_a_copy_is_the_worst() -> None:
    def particular(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if not (images == 0.5).all():
            raise RuntimeError("no")
        return images[:, :1] * targets[:, :, None, None]

    assert sensitivities(particular, places=(0, 2)) == {0: LIMIT, 2: LIMIT}
