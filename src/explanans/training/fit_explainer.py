"""Train an Explainer from its data to the saved folder: ``fit``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning

from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, collate
from explanans.explainers.explainer import Explainer
from explanans.images.reading import ImageError
from explanans.objectives import Objective, make_objective
from explanans.objectives.base import settings_of
from explanans.objectives.guided import Guided
from explanans.training import newcomer
from explanans.training.augmentation import Augmentation, augmentation
from explanans.training.calibration import Calibration, calibrate, first_labelled
from explanans.training.claim import check_run_folder
from explanans.training.cut_curve import CURVE, RECORD, summary
from explanans.training.explainer_training import ExplainerTraining
from explanans.training.guides_once import Guiding, with_guides
from explanans.training.held_out import measured, untrained
from explanans.training.mask_pictures import MaskPictures
from explanans.training.opened_splits import describe, facts_of, loaders, open_splits
from explanans.training.optimizer import Optimizer
from explanans.training.precision import choose_precision
from explanans.training.processes import is_first, once
from explanans.training.run_settings import Run
from explanans.training.runs import train
from explanans.training.sharing import on_free_cores
from explanans.training.surrogates import load_surrogate
from explanans.training.verdict import EXPLAINER, VERDICT, Circumstances, Verdict, circumstances_of, judged, told
from explanans.training.verdict import RECORD as RECORD_OF_VERDICT
from explanans.training.watch import announce, size_of
from explanans.utils.devices import choose_device
from explanans.utils.records import write_json

SAVED = "explainer"


@on_free_cores
def fit(
    explainer: Explainer,
    data: str | Path | LabelledImages,
    *,
    validation: str | Path | LabelledImages | None = None,
    train_split: str = "train",
    validation_split: str = "val",
    objective: str | Objective = "guided",
    objective_options: Mapping[str, Any] | None = None,
    augment: Augmentation = "flip",
    optimizer: Optimizer | None = None,
    run: Run | None = None,
    calibration: Calibration | None = None,
    verdict: Verdict | None = None,
    surrogate: str | Path | None = None,
    allow_poor_surrogate: bool = False,
    trust_factory: bool = False,
    out: str | Path = "runs/explainer",
    trainer_options: Mapping[str, Any] | None = None,
) -> Path:
    """Train the Explainer's network; the classifier stays as it is.

    Args:
        explainer: gets the weights of the epoch that is kept, in place. Its new parts were drawn from torch's global
            generator when it was made: what repeats a training in Python calls ``torch.manual_seed`` before that; the
            command does it with ``run.seed``.
        data: a data set or its name: ``voc:PATH``, ``voc:2007``, ``coco:PATH``, ``cub:PATH``, ``scenes:PATH``,
            ``folder:PATH`` (a sub-folder per class), ``table:PATH`` (CSV, Parquet) or a path alone; options follow a
            question mark (docs/data.md).
        validation: where ``validation_split`` is taken from; by default ``data``.
        train_split, validation_split: a split, with or without a part of it ("train[:90%]").
        objective: what the masks are trained to do: "guided", "stalder2022" (the paper) or "dabkowski2017" (RTIS); in
            Python also a callable, see :mod:`explanans.objectives`.
        objective_options: settings of a named objective, such as area_weight.
        augment: random changes of the training pictures: "none" (the paper), "flip" (left and right), "turn" (by
            quarters too) or "crop" (and colours); see :func:`explanans.training.augmentation.augmentation`.
        optimizer, run: how the weights move; length, machine, precision, seed, resume. None: what holds without tuning,
            see :mod:`explanans.training.newcomer`.
        calibration: after the training, on images of the validation data; None for the usual one.
        verdict: in the end, a comparison with what needs no training on images of the validation data; None for the
            usual number of images.
        surrogate: folder of a network that stands in for a classifier without gradients (``explanans surrogate fit``):
            the objective asks it, the calibration and receipts ask the classifier itself.
        allow_poor_surrogate: take the surrogate whatever its fidelity.
        trust_factory: run the code that the surrogate's folder names as its architecture.
        out: the run folder; the trained Explainer is saved in its sub-folder ``explainer``.
        trainer_options: anything else for Lightning's Trainer.

    Returns:
        the folder of the saved Explainer.

    Raises:
        InputError: data, objective or run folder do not fit.
        TrainingDiverged: the loss became NaN; the message names the term.
    """
    optimizer, run, calibration = optimizer or newcomer.OPTIMIZER, run or newcomer.RUN, calibration or Calibration()
    verdict = verdict or Verdict()
    check_run_folder(out)
    explanandum = explainer.explanandum
    teacher, stands_in = None, None
    if surrogate is None:
        explanandum.require_gradients("fit")
    else:
        teacher, stands_in = load_surrogate(
            surrogate, explanandum, allow_poor=allow_poor_surrogate, trust_factory=trust_factory
        )
    transform = augmentation(augment, explanandum.preprocessing)
    training, held_out = open_splits(
        data,
        validation,
        train_split,
        validation_split,
        classes=explanandum.classes,
        preprocessing=explanandum.preprocessing,
        run=run,
    )
    named = make_objective(objective, **(objective_options or {})) if isinstance(objective, str) else objective
    if isinstance(named, Guided):
        fitted = named.fitted_to(teacher or explanandum)
        if fitted is not named:
            announce(run, "guides: the classifier takes pictures of one size, so they are made of these as they are")
        named = fitted
    if calibration.images is None and not isinstance(named, Guiding):
        calibration = replace(calibration, images=0)
    if calibration.images != 0:
        first_labelled(held_out, 1)
    facts = {
        "objective": {"name": type(named).__name__, "settings": settings_of(named)},
        "data": {"training": facts_of(training), "validation": facts_of(held_out)},
        "augment": augment,
        "optimizer": asdict(optimizer),
        **({} if stands_in is None else {"surrogate": stands_in}),
    }
    description = {"network": explainer.network_name, "explanandum": explanandum.identity(), **facts}
    announce(
        run,
        describe("training", training),
        describe("validation", held_out),
        f"network: {explainer.network_name or type(explainer.network).__name__}, {size_of(explainer.network)}; "
        f"objective: {type(named).__name__}",
    )
    if isinstance(named, Guiding) and named.once:
        # Lightning would move the classifier there later on.
        device = choose_device("cpu" if run.accelerator == "cpu" else "auto")
        precision = choose_precision(run.precision, run.accelerator)
        show = run.progress and is_first()
        training, held_out = (
            with_guides(dataset, named, teacher or explanandum, what, device=device, precision=precision, show=show)
            for dataset, what in ((training, "guides"), (held_out, "guides of the validation"))
        )
    lightning.seed_everything(run.seed, workers=True, verbose=False)
    module = ExplainerTraining(
        explainer, named, optimizer, seed=run.seed, channels_last=run.channels_last, surrogate=teacher
    )
    pictures = MaskPictures(collate([held_out[index] for index in range(min(8, len(held_out)))]))
    train(
        module,
        *loaders(training, held_out, transform, run),
        out,
        run,
        description,
        what="training the Explainer",
        extra=[pictures],
        trainer_options=trainer_options,
    )
    explainer.network.load_state_dict(module.result.state_dict())
    explainer.eval()
    explainer.facts = {**facts, "seed": run.seed}
    # A card that came with earlier weights tells of those.
    explainer.card = None
    if calibration.images != 0:
        found = calibrate(explainer, held_out, calibration, seed=run.seed, progress=run.progress and is_first())
        explainer.facts["calibration"] = found
        announce(run, summary(found))
        once(module.trainer, partial(write_json, Path(out) / CURVE, RECORD, found))
    saved = Path(out) / SAVED
    once(module.trainer, lambda: explainer.save_pretrained(saved))
    if verdict.images:
        circumstances = circumstances_of(Path(out), len(training), explainer)
        judge = partial(_judge, explainer, held_out.with_what_is_drawn(), verdict, teacher, circumstances, saved, run)
        once(module.trainer, judge)
    return saved


def _judge(
    explainer: Explainer,
    held_out: LabelledImages,
    verdict: Verdict,
    teacher: Explanandum | None,
    circumstances: Circumstances,
    saved: Path,
    run: Run,
) -> None:
    """The verdict, in ``verdict.json`` and on the Explainer that is saved already."""
    makers = {EXPLAINER: explainer, **untrained(explainer.explanandum, teacher)}
    look = partial(measured, makers, explainer.explanandum, seed=run.seed, progress=run.progress and is_first())
    try:
        figures = look(held_out, verdict.images)
    except ImageError as error:
        if not held_out.has_segmentation:
            raise
        # Nobody asked for the segmentations: a broken one must not cost the verdict.
        announce(run, f"verdict without the drawn objects: {error}")
        figures = look(held_out.without_segmentation(), verdict.images)
    found = {"data": held_out.name, **judged(figures, circumstances)}
    explainer.facts["verdict"] = found
    write_json(saved.with_name(VERDICT), RECORD_OF_VERDICT, found)
    explainer.save_pretrained(saved)
    announce(run, *told(found))
