"""Threads of a training: chosen, written down, repeated where it resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from explanans.errors import InputError
from explanans.training import Run, sharing
from explanans.training.sharing import FreeCores, judges, on_free_cores
from explanans.utils.threads import SETTINGS

from .explainer_runs import Build, train, with_run


@pytest.fixture(autouse=True)
def eight_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Torch has eight, however many cores there are, and no variable fixes them."""
    before = torch.get_num_threads()
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


class Machine:
    """Stands for the load: ``free`` cores, and a look that is ``age`` seconds old."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free, self.age = 8, 60.0
        monkeypatch.setattr(sharing, "free_cores", lambda load=None: self.free)
        monkeypatch.setattr(sharing, "Load", lambda: self)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_text('{"settings": {"seed": 1}}', encoding="utf-8")
    return path


class Training:
    """Steps of a training on the processor, as Lightning calls for them."""

    def __init__(self, file: Path, *, epoch: int = 0, judging: bool = True, processes: int = 1) -> None:
        self.trainer: Any = SimpleNamespace(current_epoch=epoch, world_size=processes, is_global_zero=True)
        self.module: Any = SimpleNamespace(device=torch.device("cpu"))
        self.callback = FreeCores(file, judging=judging)
        self.callback.on_train_start(self.trainer, self.module)

    def step(self, epoch: int, index: int) -> int:
        """The threads of this step."""
        self.trainer.current_epoch = epoch
        self.callback.on_train_batch_start(self.trainer, self.module, None, index)
        return torch.get_num_threads()


def kept(file: Path) -> list[list[int]]:
    return json.loads(file.read_text(encoding="utf-8"))["threads"]


@pytest.mark.parametrize(("threads", "expected"), [("auto", 3), (5, 5)])
def test_a_training_has_its_threads_and_torch_its_own_afterwards(machine: Machine, threads: Any, expected: int) -> None:
    machine.free = 3
    seen = []
    training = on_free_cores(lambda *, run=None: seen.append(torch.get_num_threads()))
    training(run=Run(threads=threads))
    assert (seen, torch.get_num_threads()) == ([expected], 8)


def test_torch_has_its_own_threads_after_a_failure(machine: Machine) -> None:
    machine.free = 1
    seen = []

    @on_free_cores
    def failing() -> None:
        seen.append(torch.get_num_threads())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert (seen, torch.get_num_threads()) == ([1], 8)


def test_there_are_never_more_than_torch_had(machine: Machine, file: Path) -> None:
    torch.set_num_threads(2)
    with sharing.sharing("auto"):
        training = Training(file)
        assert [training.step(0, 0), training.step(1, 0)] == [2, 2]


def test_the_users_variable_wins(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.free = 1
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert not judges("auto")
    with sharing.sharing("auto"):
        assert torch.get_num_threads() == 8


def test_fewer_at_once_and_more_with_the_next_epoch(machine: Machine, file: Path) -> None:
    with sharing.sharing("auto"):
        training = Training(file)
        threads = []
        for epoch, index, free in [(0, 0, 8), (0, 1, 8), (0, 2, 3), (0, 3, 8), (1, 0, 6), (1, 1, 8)]:
            machine.free = free
            threads.append(training.step(epoch, index))
    assert threads == [8, 8, 3, 3, 6, 6]
    assert kept(file) == [[0, 0, 8], [0, 2, 3], [1, 0, 6]]
    assert json.loads(file.read_text(encoding="utf-8"))["settings"] == {"seed": 1}


def test_a_short_look_judges_nothing(machine: Machine, file: Path) -> None:
    with sharing.sharing("auto"):
        training = Training(file)
        training.step(0, 0)
        machine.free = 1
        machine.age = 4.9
        assert training.step(0, 1) == 8
        machine.age = 0.9
        assert training.step(1, 0) == 8
        machine.age = 5.0
        assert training.step(1, 1) == 1


def test_a_resumed_run_repeats_the_threads_that_it_had(machine: Machine, file: Path) -> None:
    file.write_text(json.dumps({"threads": [[0, 0, 7], [1, 2, 4], [1, 3, 2]]}), encoding="utf-8")
    machine.free = 5
    with sharing.sharing("auto"):
        training = Training(file, epoch=1)
        # Of epoch 1 what it had in epoch 0, and then the changes; after the last one the load decides.
        threads = [training.step(1, index) for index in range(5)]
        assert [*threads, training.step(2, 0)] == [7, 7, 4, 2, 2, 5]
    assert kept(file) == [[0, 0, 7], [1, 2, 4], [1, 3, 2], [2, 0, 5]]


@pytest.mark.parametrize("settings", [{"judging": False}, {"processes": 2}])
def test_what_is_fixed_is_written_down_and_left(machine: Machine, file: Path, settings: Any) -> None:
    with sharing.sharing(4):
        training = Training(file, **settings)
        machine.free = 1
        assert [training.step(0, 0), training.step(0, 1), training.step(1, 0)] == [4, 4, 4]
    assert kept(file) == [[0, 0, 4]]


def test_a_fit_writes_its_threads_down_and_resumes_with_others(
    machine: Machine, scenes: str, explainer: Build, out: Path
) -> None:
    train(explainer(), scenes, out, run=with_run(max_epochs=1, threads=2))
    assert kept(out / "run.json") == [[0, 0, 2]]
    assert torch.get_num_threads() == 8
    train(explainer(), scenes, out, run=with_run(max_epochs=2, threads=1))
    assert kept(out / "run.json") == [[0, 0, 2], [1, 0, 1]]


@pytest.mark.parametrize("threads", [0, -1, 10**5, True, "all", 1.5])
def test_other_threads_are_refused(threads: Any) -> None:
    with pytest.raises(InputError, match="threads="):
        Run(threads=threads)
