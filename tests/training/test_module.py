from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from explanans.errors import TrainingDiverged
from explanans.training.module import TrainingModule, check_finite
from explanans.training.optimizer import Optimizer

from .bare_trainer import fit

SEED = 7


@dataclass(frozen=True)
class Call:
    """What one call of :meth:`Recorder.terms` was given, and the state that it found."""

    training: bool
    epoch: int
    progress: float
    drawn_from: int
    everything_drawn_from: int
    channels_last: bool
    settled: bool


class Network(nn.Module):
    """A pixel of four in, one number out: a part that may be pre-trained, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 2, 2), nn.BatchNorm2d(2))
        self.head = nn.Linear(2, 1)

    def forward(self, images: Tensor) -> Tensor:
        self.channels_last = images.is_contiguous(memory_format=torch.channels_last)
        return self.head(self.body(images).mean((2, 3)))


class Recorder(TrainingModule):
    """The step with nothing of its own but a loss of two terms."""

    def __init__(self, optimizer: Optimizer | None = None, *, channels_last: bool = False) -> None:
        torch.manual_seed(0)
        # By name, as a setting that some other part of a training may not have.
        super().__init__(
            optimizer=optimizer or Optimizer(0.01), seed=SEED, channels_last=channels_last, part=Network(), absent=None
        )
        self.calls: list[Call] = []
        self.losses: list[tuple[float, float, int]] = []

    @property
    def network(self) -> nn.Module:
        return self.part

    def terms(
        self, logits: Tensor, images: Tensor, labels: Tensor, progress: float, generator: torch.Generator
    ) -> Mapping[str, Tensor]:
        self.calls.append(
            Call(
                training=self.part.training,
                epoch=self.current_epoch,
                progress=progress,
                drawn_from=generator.initial_seed(),
                everything_drawn_from=torch.initial_seed(),
                channels_last=self.part.channels_last,
                settled=not self.part.body[1].training,
            )
        )
        terms = {"near": (logits - labels).square().mean(), "size": logits.square().mean()}
        if self.part.training:
            self.losses.append((float(terms["near"].detach()), float(terms["size"].detach()), len(images)))
        return terms

    def of(self, training: bool) -> list[Call]:
        return [call for call in self.calls if call.training == training]


class Parted(Recorder):
    """Its body is pre-trained."""

    def is_pretrained(self, name: str) -> bool:
        return name.startswith("body")

    def settled(self) -> Iterable[nn.Module]:
        return [self.part.body]


class Rates(Callback):
    """The rates of every group of parameters at each step."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def on_train_batch_start(self, trainer: Trainer, *arguments: Any) -> None:
        self.rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])


def pictures(count: int, size: int) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, 3, 3, generator=generator)
    labels = torch.randn(count, 1, generator=generator)
    return DataLoader([{"image": x, "labels": y} for x, y in zip(images, labels, strict=True)], size)  # type: ignore[arg-type]


def by_hand(*numbers: int) -> int:
    """The seed that is made of several numbers, in [0, 2^63)."""
    return hash(numbers) % 2**63


@pytest.mark.parametrize(
    ("accumulate", "expected"),
    [
        (1, [step / 10 for step in range(10)]),
        # Three steps an epoch: two of two batches, and one of the last.
        (2, [step / 6 for step in (0, 0, 1, 1, 2, 3, 3, 4, 4, 5)]),
    ],
)
def test_progress_is_the_share_of_the_steps_that_is_done(accumulate: int, expected: list[float]) -> None:
    module = Recorder()
    fit(module, pictures(10, 2), max_epochs=2, accumulate_grad_batches=accumulate)
    assert [call.progress for call in module.of(True)] == pytest.approx(expected)
    assert [call.progress for call in module.of(False)] == [1.0] * 10


def test_all_draws_follow_from_the_seed_the_epoch_and_the_batch() -> None:
    """Epochs count from 1 here; a validation draws as if in epoch 0, the same every time."""
    module = Recorder()
    fit(module, pictures(6, 2), max_epochs=3)
    trained = [call.drawn_from for call in module.of(True)]
    assert trained == [by_hand(SEED, epoch, batch, 0) for epoch in (1, 2, 3) for batch in range(3)]
    validated = [call.drawn_from for call in module.of(False)]
    assert validated == [by_hand(SEED, 0, batch, 0) for batch in range(3)] * 3
    assert len({*trained, *validated}) == 12
    # What draws without a generator, such as dropout, is seeded anew with every epoch.
    everything = [by_hand(SEED, epoch, 0, 0) % 2**32 for epoch in (1, 2, 3)]
    assert [call.everything_drawn_from for call in module.of(True)] == [seed for seed in everything for _ in range(3)]


def test_two_processes_draw_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "global_rank", 3)
    module = Recorder()
    fit(module, pictures(2, 2))
    (trained,) = module.of(True)
    assert trained.drawn_from == by_hand(SEED, 1, 0, 3)
    assert trained.everything_drawn_from == by_hand(SEED, 1, 0, 3) % 2**32


def test_a_new_epoch_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """Lightning would tell of the seed each time."""
    with caplog.at_level(logging.INFO, "lightning"):
        fit(Recorder(), pictures(2, 2))
    assert not [record for record in caplog.records if "seed" in record.getMessage().lower()]


def test_every_term_and_their_sum_is_logged_once_an_epoch() -> None:
    """On average over the pictures, of which the last batch has fewer."""
    module = Recorder()
    figures = fit(module, pictures(5, 2)).callback_metrics
    assert set(figures) == {f"{stage}/{name}" for stage in ("train", "val") for name in ("loss", "near", "size")}
    assert [size for *_, size in module.losses] == [2, 2, 1]
    near, size = (sum(call[n] * call[2] for call in module.losses) / 5 for n in (0, 1))
    assert float(figures["train/near"]) == pytest.approx(near)
    assert float(figures["train/size"]) == pytest.approx(size)
    assert float(figures["train/loss"]) == pytest.approx(near + size)
    assert float(figures["val/loss"]) == pytest.approx(float(figures["val/near"] + figures["val/size"]))


# Which is what is tried: Lightning leaves the modes as they are.
@pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start of training")
@pytest.mark.parametrize("freeze", [False, True])
def test_what_was_loaded_is_trained_and_the_settled_parts_keep_their_statistics(freeze: bool) -> None:
    module = Parted(Optimizer(0.01, freeze_statistics=freeze))
    module.eval()
    before = module.part.body[1].running_mean.clone()
    fit(module, pictures(4, 2), max_epochs=2)
    assert [call.training for call in module.calls] == ([True] * 2 + [False] * 2) * 2
    assert {call.settled for call in module.of(True)} == {freeze}
    assert torch.equal(module.part.body[1].running_mean, before) == freeze


def test_nothing_is_settled_or_pretrained_unless_a_training_says_so() -> None:
    module, seen = Recorder(Optimizer(0.01, pretrained_factor=0, freeze_statistics=True)), Rates()
    before = [each.detach().clone() for each in module.part.parameters()]
    fit(module, pictures(2, 2), seen)
    assert seen.rates == [[0.01]]
    assert {call.settled for call in module.of(True)} == {False}
    moved = {
        name: not torch.equal(each, old)
        for (name, each), old in zip(module.part.named_parameters(), before, strict=True)
    }
    # What comes before a batch norm may have any bias.
    assert all(has for name, has in moved.items() if name != "body.0.bias"), moved


def test_rates_by_hand() -> None:
    """Six steps, of which none is warm-up: half a cosine from 1 down to 5 %; the pre-trained part has half the rate."""
    module, seen = Parted(Optimizer(0.01, pretrained_factor=0.5, schedule="cosine")), Rates()
    fit(module, pictures(6, 2), seen, max_epochs=2)
    shares = [0.05 + 0.95 * (1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]
    assert seen.rates == [pytest.approx([0.01 * share, 0.005 * share]) for share in shares]
    fresh, pretrained = ([id(each) for each in group["params"]] for group in module.optimizers().param_groups)
    assert fresh == [id(each) for each in module.part.head.parameters()]
    assert pretrained == [id(each) for each in module.part.body.parameters()]


def test_parameters_that_ask_for_no_gradient_are_left_out() -> None:
    module = Parted()
    module.part.head.bias.requires_grad_(False)
    module.part.body[0].requires_grad_(False)
    fit(module, pictures(2, 2))
    fresh, pretrained = (group["params"] for group in module.optimizers().param_groups)
    assert [len(each) for each in (fresh, pretrained)] == [1, 2]


@pytest.mark.parametrize("last", [False, True])
def test_the_layout_of_pictures_and_parts(last: bool) -> None:
    module = Recorder(channels_last=last)
    assert module.absent is None
    weight = module.part.body[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == last
    fit(module, pictures(2, 2))
    assert {call.channels_last for call in module.calls} == {last}


def test_a_training_has_to_say_what_is_trained_and_by_what() -> None:
    class Unsaid(TrainingModule):
        pass

    with pytest.raises(TypeError, match=r"network.*terms"):
        Unsaid(Optimizer(), seed=0, channels_last=False)  # type: ignore[abstract]


def test_terms_are_added() -> None:
    terms = {"one": torch.tensor(1.0, requires_grad=True), "two": torch.tensor(2.5)}
    loss = check_finite(terms, 0)
    assert loss.item() == 3.5
    assert loss.requires_grad


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"good": 1.0, "bad": float("nan")}, r"step 7: \{'bad': nan\}"),
        ({"up": float("inf"), "down": -float("inf")}, r"'up': inf, 'down': -inf"),
        ({"large": 3e38, "larger": 3e38}, "the sum of its terms overflows"),
    ],
)
def test_what_is_not_finite_is_named(terms: dict[str, float], message: str) -> None:
    with pytest.raises(TrainingDiverged, match=message):
        check_finite({name: torch.tensor(value) for name, value in terms.items()}, 7)
