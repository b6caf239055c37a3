"""Train a surrogate on what its box said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages
from explanans.data.loading import EpochSampler
from explanans.errors import InputError
from explanans.training.backbone import new_classifier
from explanans.training.claim import ANSWERS, claimed_run
from explanans.training.classification import ClassifierTraining
from explanans.training.fit_classifier import FINE_TUNING, FROM_SCRATCH
from explanans.training.opened_splits import describe, facts_of, open_splits
from explanans.training.optimizer import Optimizer
from explanans.training.processes import is_first, once
from explanans.training.run_settings import Run
from explanans.training.runs import train
from explanans.training.sharing import on_free_cores
from explanans.training.surrogates import Answers, Fidelity, Queries, agreement_of, batches
from explanans.training.watch import announce, size_of
from explanans.utils.numbers import check_count
from explanans.utils.progress import Progress

SAVED = "surrogate"
HELD_OUT_SEED = 1
# The last epoch: one that was chosen by the held-out answers would look better on them than it is.
RUN = Run(max_epochs=10, patience=0, keep="last")


class Answered(Dataset[dict[str, Tensor]]):
    """Queries with the probabilities that the box gave."""

    def __init__(self, queries: Queries, probabilities: Tensor) -> None:
        self.queries, self.probabilities = queries, probabilities

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        return {"image": self.queries[number], "labels": self.probabilities[number]}


class SurrogateTraining(ClassifierTraining):
    """The classifier's training with the box's probabilities as soft labels, which makes its loss the cross-entropy of
    the box's answer and the surrogate's: KL(box ‖ surrogate) up to the box's own entropy."""

    def validated(self, logits: Tensor, labels: Tensor) -> None:
        """Nothing: the scores count labels, and probabilities are none."""


@on_free_cores
def fit_surrogate(
    box: Explanandum,
    data: str | Path | LabelledImages,
    *,
    calls: int = 20_000,
    held_out_calls: int | None = None,
    architecture: str = "timm:mobilenetv2_100",
    weights: str | Path | None = "published",
    arguments: Mapping[str, Any] | None = None,
    validation: str | Path | LabelledImages | None = None,
    train_split: str = "train",
    validation_split: str = "val",
    optimizer: Optimizer | None = None,
    run: Run | None = None,
    ask_batch_size: int = 32,
    answers: str | Path | None = None,
    out: str | Path = "runs/surrogate",
    trainer_options: Mapping[str, Any] | None = None,
) -> tuple[Path, Fidelity]:
    """Ask the box, train a network on its answers, and measure how well it stands in for the box.

    Args:
        box: the classifier that is asked; it may have no gradients.
        data: pictures like those that are to be explained, named as for :func:`explanans.training.fit`; labels are not
            used.
        calls: how many pictures the box answers in all, held-out ones and those of earlier runs with the same
            ``answers`` included; never more. (Opening a box shows it one grey picture before. A batch that was under
            way when the process was killed counts.)
        held_out_calls: how many of them are pictures of the validation split, on which fidelity is measured; None: a
            tenth, at least 64. They are asked first.
        architecture: of the surrogate: ``timm:NAME``, ``torchvision:NAME``, ``explanans:small_resnet`` or
            ``package.module:factory``.
        weights: what the surrogate starts from: "published" (ImageNet), a file, or None for random ones.
        arguments: more settings of the architecture, such as ``{pad_type: same}``.
        validation: data set of the held-out pictures, if it is another one; no picture may be in both.
        train_split: split to ask about, or a part of it ("train[:90%]").
        validation_split: split to measure fidelity on, or a part of it.
        optimizer, run: how the weights move; length, seed, resume. ``run.seed`` decides the questions too. By
            default the last epoch is kept; with ``keep="best"`` or ``patience`` the held-out answers choose one, and
            fidelity is flattered by that.
        ask_batch_size: pictures per call of the box.
        answers: folder that keeps the box's answers; None: ``answers`` in ``out``. That of an earlier run with the
            same box, pictures and seed gives its answers to this one, for more calls or another architecture.
        out: run folder: answers, checkpoints, and the surrogate in its sub-folder ``surrogate``.

    Returns:
        the folder of the surrogate, an ordinary classifier whose ``explanandum.json`` names its box and its fidelity;
        and the fidelity.

    Raises:
        InputError: something does not fit, or the box failed; its answers are kept, so repeat the call.
    """
    run = run or RUN
    optimizer = optimizer or (FROM_SCRATCH if weights is None else FINE_TUNING)
    check_count("calls", calls)
    check_count("ask_batch_size", ask_batch_size)
    held = max(64, calls // 10) if held_out_calls is None else check_count("held_out_calls", held_out_calls)
    if calls - held < run.batch_size:
        raise InputError(
            f"calls={calls}, of which {held} on held-out pictures; leave at least batch_size={run.batch_size} to train "
            "on."
        )
    out = Path(out)
    pictures, unseen = open_splits(
        data,
        validation,
        train_split,
        validation_split,
        classes=box.classes,
        preprocessing=box.preprocessing,
        run=run,
        labels=False,
    )
    _check_apart(pictures, unseen)
    training, validating = Queries(pictures, run.seed), Queries(unseen, run.seed + HELD_OUT_SEED)
    lightning.seed_everything(run.seed, workers=True, verbose=False)
    statistics = (box.preprocessing.mean, box.preprocessing.std)
    module, source, _ = new_classifier(
        architecture, box.num_classes, weights, arguments={**_channels(architecture, box), **(arguments or {})}
    )
    facts = {
        "box": box.identity(),
        "calls": {"training": calls - held, "held-out": held},
        "data": {"training": facts_of(pictures), "held-out": facts_of(unseen)},
        "training": {"weights": None if weights is None else str(weights), "optimizer": asdict(optimizer)},
    }
    description = {"source": source.to_dict(), "statistics": statistics, **facts}
    # Before anything is spent: a run folder of other settings is refused.
    if getattr(rank_zero_only, "rank", 0) == 0:
        with claimed_run(out, run, description):
            run = replace(run, resume=True)
    place = out / ANSWERS if answers is None else Path(answers)
    learned = Answers(place / "training", box, training)
    checked = Answers(place / "held-out", box, validating)
    show = run.progress and is_first()
    announce(
        run,
        describe("training", pictures),
        describe("held out", unseen),
        f"network: {architecture}, {size_of(module)}; the box answers {calls:,} calls, {held:,} of them held out",
    )
    with Progress("asking the box", calls, unit="calls", done=learned.spent + checked.spent, show=show) as progress:
        _ask({checked: held, learned: calls - held}, calls, ask_batch_size, progress)
    held, taught = min(held, checked.count), min(calls - held, learned.count)
    if not held or taught < run.batch_size:
        raise InputError(
            f"calls={calls}: {taught} training and {held} held-out pictures are answered, and {place} says that "
            f"{learned.spent + checked.spent} were spent; at least {run.batch_size} (batch_size) and 1 are needed. "
            "Raise calls."
        )
    trained = SurrogateTraining(
        module,
        num_classes=box.num_classes,
        activation=box.activation,
        preprocessing=box.preprocessing,
        optimizer=optimizer,
        blanks=0,
        hidden=0,
        seed=run.seed,
        channels_last=run.channels_last,
    )
    train(
        trained,
        _loader(learned, training, taught, box, run, shuffle=True),
        _loader(checked, validating, held, box, run),
        out,
        run,
        description,
        what="training the surrogate",
        trainer_options=trainer_options,
    )
    surrogate = trained.explanandum(box.classes, source)
    fidelity = measure(surrogate, checked, held, run.batch_size, show=show)
    facts["calls"] = {"training": taught, "held-out": held}
    saved = out / SAVED
    once(trained.trainer, lambda: surrogate.save(saved, fidelity=fidelity.to_dict(), seed=run.seed, **facts))
    return saved, fidelity


@torch.no_grad()
def measure(
    surrogate: Explanandum, answers: Answers, count: int, batch_size: int = 32, *, show: bool = False
) -> Fidelity:
    """Fidelity on the first ``count`` queries of a list that the box has answered; ``show`` says how far it is."""
    said = []
    with Progress("measuring the surrogate", count, unit="pictures", show=show) as progress:
        for images in batches(answers.queries, 0, count, batch_size):
            said.append(surrogate(images).float())
            progress.advance(len(images))
    answered, box = torch.cat(said), answers.logits(0, count)
    whole = torch.tensor([answers.queries.picture_of(number)[1] for number in range(count)])
    return Fidelity(
        agreement_of(box[whole], answered[whole], surrogate.activation),
        agreement_of(box[~whole], answered[~whole], surrogate.activation),
    )


def _check_apart(training: LabelledImages, held_out: LabelledImages) -> None:
    both = sorted({path.resolve() for path in training.paths} & {path.resolve() for path in held_out.paths})
    if both:
        raise InputError(
            f"validation: {len(both)} of its {len(held_out)} pictures are in {training.name} too, such as {both[0]}. "
            "Fidelity is measured on pictures that the surrogate never saw: take another validation_split, or parts "
            "such as train[:90%] and train[90%:]."
        )


def _ask(wanted: Mapping[Answers, int], calls: int, batch_size: int, progress: Progress) -> None:
    """All answers that are still missing and within ``calls`` altogether; ``progress`` counts what is spent."""

    def spent() -> int:
        return sum(each.spent for each in wanted)

    for answers, share in wanted.items():
        answers.ask(min(share, answers.spent + calls - spent()), batch_size, lambda _: progress.set(done=spent()))


def _loader(
    answers: Answers, queries: Queries, count: int, box: Explanandum, run: Run, shuffle: bool = False
) -> DataLoader[dict[str, Tensor]]:
    answered = Answered(queries, box.activate(answers.logits(0, count)))
    return DataLoader(
        answered,
        batch_size=run.batch_size,
        sampler=EpochSampler(count, run.seed) if shuffle else None,
        num_workers=run.num_workers,
        drop_last=shuffle,
        persistent_workers=run.num_workers > 0,
    )


def _channels(architecture: str, box: Explanandum) -> dict[str, Any]:
    """How an architecture is told that pictures are grey."""
    names = {"timm": "in_chans", "explanans": "channels"}
    scheme = architecture.partition(":")[0]
    return {names[scheme]: 1} if box.preprocessing.channels == 1 and scheme in names else {}
