"""Fine-tune a classifier so that its evidence lies where it should."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import find_layer, last_spatial_layer
from explanans.data import LabelledImages, open_dataset
from explanans.errors import InputError
from explanans.objectives.localisation import LOSSES, Localisation
from explanans.objectives.localisation.evidence import INPUT, Evidence
from explanans.training.annotated import annotated_pictures, beside_each, having_regions
from explanans.training.augmentation import Augmentation, augmentation
from explanans.training.backbone import freeze_before
from explanans.training.balancing import balance_weights
from explanans.training.claim import check_run_folder
from explanans.training.classification import validate
from explanans.training.fit_classifier import FINE_TUNING, check_single_labels
from explanans.training.guided_classification import Form, GuidedTraining, Side, check_guidance
from explanans.training.localised import localised
from explanans.training.opened_splits import describe, facts_of, loaders, open_splits
from explanans.training.optimizer import Optimizer
from explanans.training.processes import is_first, once
from explanans.training.run_settings import Run
from explanans.training.runs import train
from explanans.training.sharing import on_free_cores
from explanans.training.watch import announce, size_of

SAVED = "classifier"
RUN = Run(max_epochs=10, patience=0, keep="last")


@on_free_cores
def guide(
    classifier: str | Path | Explanandum,
    data: str | Path | LabelledImages,
    *,
    validation: str | Path | LabelledImages | None = None,
    train_split: str = "train",
    validation_split: str = "val",
    loss: Localisation = "energy",
    weight: float = 1.0,
    layers: Sequence[str] | None = None,
    regions: Form = "boxes",
    evidence: Side = "inside",
    share: float = 1.0,
    beside: int | None = None,
    sharpened: float = 0.0,
    swapped: float = 0.0,
    balanced: bool = False,
    trainable_from: str | None = None,
    augment: Augmentation = "flip",
    blanks: float = 0.0,
    hidden: float = 0.0,
    looked_at: int = 200,
    optimizer: Optimizer | None = None,
    run: Run | None = None,
    trust_factory: bool = False,
    out: str | Path = "runs/guided",
    trainer_options: Mapping[str, Any] | None = None,
) -> Path:
    """Fine-tune a classifier on its labels and on where its evidence lies (Rao et al., ICCV 2023).

    The evidence of a class is activation × gradient at chosen layers
    (:class:`explanans.objectives.localisation.evidence.Evidence`). Regions come from the segmentations of the data: of
    value c + 1 where evidence of class c belongs, or where it does not (``evidence="outside"``); pictures without one
    are learned by their labels alone.

    Args:
        classifier: a saved one, or any that can be built again from its name and has gradients and layers.
        data: with its classes; a data set or its name, as for ``classifier fit``.
        validation: where ``validation_split`` is taken from; by default ``data``.
        train_split, validation_split: a split, with or without a part of it ("train[:90%]").
        loss: "energy" (share of the positive evidence that lies elsewhere; boxes may be coarse), "firm_energy" (the
            same, where evidence that is missing counts as elsewhere), "l1" (evidence as a mask that equals the region),
            "ppce" (evidence everywhere in the region) or "rrr" (none outside of it).
        weight: of that loss beside the labels'; 0 fine-tunes on the labels alone.
        layers: where evidence is looked at: names of layers, or "input"; None for the last that knows where things are.
        regions: "boxes" around each class's region, or "masks", the regions themselves.
        evidence: whether it should lie "inside" or "outside" of the regions.
        share: of the pictures with regions whose regions are used, drawn by the seed; in (0, 1].
        beside: how many of these are in every batch beside the others, however few they are; fewer than
            ``run.batch_size``. None: a quarter of the batch where ``share`` is below 1, and otherwise 0, as they come.
        sharpened: weight of the loss of the pictures whose regions are not used: their evidence is to lie
            where it is at least half of its largest already, so that what is faint goes. With evidence "inside".
        swapped: share of the pictures with regions in which, step by step, what lies in them trades places with the
            same part of a picture without one, so that it tells nothing; with evidence "outside".
        balanced: pictures of a class with a region of it and without count the same in the labels' loss. With weight 0
            and ``trainable_from`` the last layer it is last-layer retraining (Kirichenko et al., ICLR 2023).
        trainable_from: name of the first part that is trained ("blocks.4", "layer4"); None trains everything.
        augment: random changes of the training pictures: "none", "flip", "turn" or "crop".
        blanks, hidden: as for ``classifier fit``; a classifier that was trained with them is best guided with them.
        looked_at: pictures of the validation with regions on which the evidence is measured before and after; 0: none.
        optimizer, run: how the weights move; length, machine, seed, resume. None: a recipe for fine-tuning, ten epochs.
        trust_factory: see :meth:`explanans.Explanandum.load`.
        out: the run folder; the classifier is saved in its sub-folder ``classifier``.
        trainer_options: anything else for Lightning's Trainer.

    Returns:
        the folder of the saved classifier; its ``explanandum.json`` has what was measured ``before`` and after, and how
        it was guided.

    Raises:
        InputError: a classifier without gradients, layers or a source, data without regions, or settings that do not
            go together.
        TrainingDiverged: the loss became NaN.
    """
    run, optimizer = run or RUN, optimizer or FINE_TUNING
    check_run_folder(out)
    check_guidance(loss, weight, regions, evidence, share, sharpened, swapped, looked_at)
    each = beside_each(beside, share, run.batch_size)
    given = classifier
    if not isinstance(given, Explanandum):
        given = Explanandum.load(given, trust_factory=trust_factory)
    given.require_gradients("guide")
    if given.source is None:
        raise InputError(
            "classifier: a module in hand cannot be saved so that it is built again; give the name or the folder of a "
            "saved classifier."
        )
    named = [last_spatial_layer(given)] if layers is None else list(layers)
    if not named:
        raise InputError("layers: the list is empty; name layers, or leave it out.")
    for name in named:
        if name != INPUT:
            find_layer(given, name)
    lightning.seed_everything(run.seed, workers=True, verbose=False)

    def opened(where: str | Path | LabelledImages, split: str) -> LabelledImages:
        if isinstance(where, LabelledImages):
            return where.with_void()
        return open_dataset(
            where, split, classes=given.classes, preprocessing=given.preprocessing, cache=run.cache
        ).with_void()

    apart = data if validation is None else validation
    training, held_out = open_splits(
        opened(data, train_split),
        opened(apart, validation_split) if looked_at else apart,
        train_split,
        validation_split,
        classes=given.classes,
        preprocessing=given.preprocessing,
        run=run,
    )
    if given.activation == "softmax":
        for argument, dataset in (("data", training), ("validation", held_out)):
            check_single_labels(argument, dataset)
    annotated = annotated_pictures(training, share, run.seed)
    facts = {
        "data": {"training": facts_of(training), "validation": facts_of(held_out)},
        "guided": {
            "from": given.weights_hash,
            "loss": loss,
            "weight": weight,
            "layers": named,
            "regions": regions,
            "evidence": evidence,
            "share": share,
            "beside": each,
            "sharpened": sharpened,
            "swapped": swapped,
            "balanced": balanced,
            "pictures": len(annotated),
            "trainable_from": trainable_from,
            "augment": augment,
            "blanks": blanks,
            "hidden": hidden,
            "optimizer": asdict(optimizer),
        },
    }
    module = copy.deepcopy(given.module).requires_grad_(True)
    announce(
        run,
        describe("training", training),
        f"training: regions of {len(annotated):,} pictures",
        describe("validation", held_out),
        f"network: {given.source.spec}, {size_of(module)}; evidence at {', '.join(named)}",
    )
    show = run.progress and is_first()
    before = _measured(given, held_out, looked_at, regions, run.batch_size, show)
    if trainable_from is not None:
        freeze_before(module, trainable_from)
    size = (given.preprocessing.height, given.preprocessing.width)
    trained = GuidedTraining(
        module,
        evidence=Evidence(named, size),
        loss=LOSSES[loss],
        weight=weight,
        form=regions,
        side=evidence,
        annotated=annotated,
        sharpened=sharpened,
        swapped=swapped,
        weights=balance_weights(training.labels.bool(), having_regions(training, annotated)) if balanced else None,
        num_classes=given.num_classes,
        activation=given.activation,
        preprocessing=given.preprocessing,
        optimizer=optimizer,
        blanks=blanks,
        hidden=hidden,
        seed=run.seed,
        channels_last=run.channels_last,
    )
    description = {"source": given.source.to_dict(), "classes": given.classes, "activation": given.activation, **facts}
    train(
        trained,
        *loaders(training, held_out, augmentation(augment, given.preprocessing), run, beside=annotated, each=each),
        out,
        run,
        description,
        what="guiding the classifier",
        monitor="val/f1_micro",
        mode="max",
        trainer_options=trainer_options,
    )
    guided = trained.explanandum(given.classes, given.source)
    after = _measured(guided, held_out, looked_at, regions, run.batch_size, show)
    saved = Path(out) / SAVED
    once(
        trained.trainer,
        lambda: guided.save(
            saved, metrics=after["metrics"], evidence=after["evidence"], before=before, seed=run.seed, **facts
        ),
    )
    return saved


def _measured(
    explanandum: Explanandum, dataset: LabelledImages, images: int, form: Form, batch: int, show: bool
) -> dict[str, Any]:
    return {
        "metrics": validate(explanandum, dataset, batch, progress=show),
        "evidence": localised(explanandum, dataset, images, form=form, progress=show) if images else {},
    }
