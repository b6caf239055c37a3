from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from explanans.benchmark import calling
from explanans.benchmark.calling import Caller
from explanans.benchmark.costs import counted, measure, peak_memory
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, collate
from explanans.explainers.explainer import Explainer
from explanans.methods import make_method

CPU = torch.device("cpu")


def cost(name: str, explanandum: Explanandum, val: LabelledImages, *, count: int = 3, size: int = 1, **settings):
    batch = collate([val[index] for index in range(count)])
    caller = Caller(name, make_method(name, explanandum, **settings), seed=0)
    labels = batch["labels"].bool()
    with torch.no_grad():
        found = measure(caller, explanandum.module, batch["image"], labels, range(count), batch_size=size, seconds=60.0)
    return found, labels


def test_passes_are_counted_in_images(explanandum: Explanandum) -> None:
    images = torch.zeros(5, 3, 32, 32)
    explanandum(images)
    with counted(explanandum.module) as passes:
        explanandum(images[:2])
        watched = images[:3].clone().requires_grad_()
        logits = explanandum(watched)
        torch.autograd.grad(logits[:, 0].sum(), watched, retain_graph=True)
        torch.autograd.grad(logits[:, 1].sum(), watched)
    explanandum(images)
    assert (passes.forwards, passes.backwards) == (5, 6)
    assert not explanandum.module._forward_hooks


def test_a_method_of_known_cost(explanandum: Explanandum, val: LabelledImages, fakes: ModuleType) -> None:
    for size in (1, 2):
        found, _ = cost("asks", explanandum, val, size=size)
        # Two and one forwards for each image, warm-up and the question whether it draws not among them.
        assert found["forwards_per_image"] == found["forwards_per_image_all_classes"] == 3
        assert found["backwards_per_image"] == 1
        assert found["network_forwards_per_image"] == 0
        assert found["batch_size"] == size
        # With two at a time the third is left over.
        assert found["images"] == (3 if size == 1 else 2)
    assert found["device"] == "cpu"
    assert found["warm_up"] == 1
    assert found["threads"] == torch.get_num_threads()


def test_grad_cam_costs_a_backward_for_each_class(explanandum: Explanandum, val: LabelledImages) -> None:
    found, labels = cost("grad_cam", explanandum, val)
    assert found["forwards_per_image"] == 1
    assert found["backwards_per_image"] == labels.sum().item() / 3
    assert found["forwards_per_image_all_classes"] == 1
    assert found["backwards_per_image_all_classes"] == 6
    assert found["ms_per_image_all_classes"] > 0 < found["ms_per_image"]


def test_an_explainer_asks_its_own_network_once(explanandum: Explanandum, val: LabelledImages) -> None:
    torch.manual_seed(0)
    found, _ = cost("explainer", explanandum, val, explainer=Explainer(explanandum, "compact").eval())
    for classes in ("", "_all_classes"):
        assert found[f"network_forwards_per_image{classes}"] == 1
        assert found[f"forwards_per_image{classes}"] == found[f"backwards_per_image{classes}"] == 0


def test_time_is_that_of_the_calls_alone(
    explanandum: Explanandum, val: LabelledImages, fakes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A clock that stands still but while the method sleeps.
    slept: list[float] = []
    monkeypatch.setattr(calling, "time", SimpleNamespace(perf_counter=lambda: sum(slept)))
    monkeypatch.setattr(fakes, "time", SimpleNamespace(sleep=slept.append))
    found, _ = cost("noise", explanandum, val, seconds=0.02, size=3)
    # A method that draws is asked one at a time.
    assert found["batch_size"] == 1
    assert found["ms_per_image"] == found["ms_per_image_all_classes"] == pytest.approx(20)
    assert len(fakes.CALLS) == 2 + 3 + 3


def test_it_stops_in_time(explanandum: Explanandum, val: LabelledImages, fakes: ModuleType) -> None:
    batch = collate([val[index] for index in range(3)])
    caller = Caller("noise", make_method("noise", explanandum), seed=0)
    found = measure(
        caller, explanandum.module, batch["image"], batch["labels"].bool(), range(3), batch_size=1, seconds=0.0
    )
    assert found["images"] == 1


def test_a_failure_is_recorded_without_numbers(explanandum: Explanandum, val: LabelledImages) -> None:
    found, _ = cost("fails", explanandum, val, above=-9.0)
    assert found["error"] == "RuntimeError: no layer for so bright an image"
    assert "ms_per_image" not in found


def test_a_method_that_fails_for_all_classes_only(explanandum: Explanandum) -> None:
    def few(images: Tensor, targets: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if targets.all():
            raise MemoryError("too many classes")
        return images.new_zeros(*targets.shape, 32, 32)

    labels = torch.eye(6, dtype=torch.bool)[:1]
    images = torch.zeros(1, 3, 32, 32)
    found = measure(Caller("few", few, 0), explanandum.module, images, labels, [0], batch_size=1, seconds=1.0)
    assert found["error"] == "MemoryError: too many classes"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells")
def test_the_highest_rise_not_what_is_left() -> None:
    held = np.ones(16_000_000, np.uint8)
    with peak_memory(CPU) as peak:
        assert peak.megabytes is None
        # Large beside what earlier tests have freed, which may be used again unseen.
        np.ones(640_000_000, np.uint8)
        np.ones(8_000_000, np.uint8)
    assert held.sum() == 16_000_000
    assert peak.megabytes is not None
    assert 560 < peak.megabytes < 660
    with peak_memory(CPU) as nothing:
        pass
    assert nothing.megabytes is not None
    assert nothing.megabytes < 8


def test_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with peak_memory(CPU) as peak:
        torch.ones(10)
    assert peak.megabytes is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_it_is_the_allocator_that_tells() -> None:
    device = torch.device("cuda")
    with peak_memory(device) as peak:
        torch.ones(16_000_000, device=device)
    assert peak.megabytes == pytest.approx(64, rel=0.05)
