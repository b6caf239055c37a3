from __future__ import annotations

import torch
from torch import Tensor, nn

from explanans.benchmark.batches import read_pictures
from explanans.benchmark.calling import Caller
from explanans.benchmark.robustness import _shuffle, _stages, cascade
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages
from explanans.explainers.explainer import Explainer
from explanans.methods import make_method


def run(name: str, explanandum: Explanandum, val: LabelledImages, stages: int = 3, seed: int = 0, **arguments):
    caller = Caller(name, make_method(name, explanandum, **arguments), seed=0)
    pictures = read_pictures(val, [0, 1], torch.device("cpu"))
    step = "minmax" if name == "grad_cam" else "raw"
    with torch.no_grad():
        return cascade(caller, explanandum, name, arguments, pictures, step, stages=stages, seed=seed)


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
