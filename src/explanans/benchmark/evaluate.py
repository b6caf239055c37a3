"""The evaluation loop: every method, the same images, the same scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from explanans import metrics
from explanans.benchmark.calling import timed
from explanans.benchmark.columns import CURVE_THRESHOLDS
from explanans.benchmark.evaluation import Evaluation, MethodResult
from explanans.benchmark.scoring import Pictures, Scorer, Scores
from explanans.classifiers.explanandum import Explanandum
from explanans.data import LabelledImages, loader
from explanans.errors import InputError
from explanans.methods.base import Method
from explanans.utils.devices import like
from explanans.utils.modes import evaluating

FILL = "mean"
GROUPS = ("segmentation", "saliency")


def evaluate(
    methods: Mapping[str, Method],
    dataset: LabelledImages,
    explanandum: Explanandum,
    *,
    normalisation: Mapping[str, str],
    threshold_dataset: LabelledImages | None = None,
    batch_size: int = 16,
    device: torch.device | str | None = None,
    num_workers: int = 0,
    progress: bool = False,
) -> Evaluation:
    """Compare methods on the images of a data set that have at least one label.

    Per image the class maps of its labels are normalised one by one and merged by pixelwise maximum into one target
    mask, which is compared with the union of the label classes in the segmentation (void pixels left out) and put on
    the normalised image, so that hidden pixels take the mean colour, to ask the classifier in evaluation mode. Maps
    are computed once, and never kept for longer than their batch.

    The time of a method is that of its calls for the labels of each batch: after a call to warm up, with the device
    synchronised before and after, without loading, normalising or scoring.

    Args:
        methods: by name. They are called under ``torch.no_grad``, modules among them in evaluation mode.
        dataset: samples with image, labels, segmentation and index.
        explanandum: the classifier.
        normalisation: for every method the name of a step in ``explanans.metrics.NORMALISATIONS``.
        threshold_dataset: another split, on which each method's best threshold is chosen (highest mean IoU over the
            images, on 0.01 … 0.99); None leaves that score out.
        batch_size: images per call of a method.
        device: where to work, None for where the classifier lies. The classifier and modules among the methods are
            moved there.
        num_workers: processes that load images.
        progress: show a bar on standard error.

    Raises:
        InputError: no method, a method without a normalisation, a data set without segmentations or without any label,
            maps of a wrong shape, or the same data set twice.
    """
    _check(methods, normalisation, dataset, threshold_dataset)
    modules = [explanandum, *(method for method in methods.values() if isinstance(method, nn.Module))]
    place = like(explanandum).device if device is None else torch.device(device)
    for module in modules:
        module.to(place)

    scorer = Scorer(explanandum, fill=FILL)

    def batches(dataset: LabelledImages, title: str) -> Iterator[tuple[Pictures, list[int]]]:
        samples = loader(dataset, batch_size, workers=num_workers)
        for batch in track(samples, title, console=Console(stderr=True), disable=not progress):
            if "segmentation" not in batch:
                raise InputError(
                    "dataset has no segmentations, which masks are compared with; give one that has them (of VOC those "
                    "opened with ?task=segmentation: voc:2007?task=segmentation)."
                )
            labelled = batch["labels"].bool().any(1)
            images, labels, segmentation = (
                batch[key][labelled].to(place) for key in ("image", "labels", "segmentation")
            )
            target, valid = metrics.label_region(segmentation, labels)
            indices = batch["index"]
            yield (
                Pictures(images, labels.bool(), target, valid, None, indices[labelled].tolist()),
                indices[~labelled].tolist(),
            )

    with torch.no_grad(), ExitStack() as stack:
        for module in modules:
            stack.enter_context(evaluating(module))
        thresholds: dict[str, float] = {}
        if threshold_dataset is not None:
            held_out = batches(threshold_dataset, "thresholds")
            thresholds = _choose_thresholds(methods, normalisation, scorer, held_out)
        return _score(methods, normalisation, thresholds, scorer, batches(dataset, "methods"), batch_size)


def _choose_thresholds(
    methods: Mapping[str, Method],
    normalisation: Mapping[str, str],
    scorer: Scorer,
    batches: Iterator[tuple[Pictures, list[int]]],
) -> dict[str, float]:
    curves: dict[str, list[Tensor]] = defaultdict(list)
    for pictures, _ in batches:
        if not pictures.indices:
            continue
        for name, method in methods.items():
            scores, _ = _scored(name, method, normalisation[name], scorer, pictures, ("segmentation",), None)
            curves[name].append(scores.values["iou_curve"])
    if not curves:
        raise InputError("threshold_dataset has no image with a label; give another split, or None.")
    return {name: metrics.best_threshold(torch.cat(parts), CURVE_THRESHOLDS) for name, parts in curves.items()}


def _score(
    methods: Mapping[str, Method],
    normalisation: Mapping[str, str],
    thresholds: Mapping[str, float],
    scorer: Scorer,
    batches: Iterator[tuple[Pictures, list[int]]],
    batch_size: int,
) -> Evaluation:
    values: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    nan_count = dict.fromkeys(methods, 0)
    indices: list[int] = []
    without_label: list[int] = []
    device = torch.device("cpu")
    for pictures, left_out in batches:
        without_label += left_out
        if not pictures.indices:
            continue
        device = pictures.images.device
        for name, method in methods.items():
            if not indices:
                method(pictures.images, pictures.labels)
            scores, spent = _scored(name, method, normalisation[name], scorer, pictures, GROUPS, thresholds.get(name))
            seconds[name] += spent
            nan_count[name] += int(scores.broken.sum())
            for score, numbers in scores.values.items():
                if numbers.ndim == 1 and not numbers.isnan().any():
                    values[name][score] += numbers.tolist()
        indices += pictures.indices
    if not indices:
        raise InputError("dataset has no image with a label; there is nothing to compare.")
    rows = tuple(
        MethodResult(
            method=name,
            normalisation=normalisation[name],
            per_image=dict(values[name]),
            threshold=thresholds.get(name),
            seconds_per_image=seconds[name] / len(indices),
            nan_count=nan_count[name],
        )
        for name in methods
    )
    return Evaluation(rows, tuple(indices), tuple(without_label), FILL, str(device), batch_size)


def _scored(
    name: str,
    method: Method,
    step: str,
    scorer: Scorer,
    pictures: Pictures,
    groups: Sequence[str],
    threshold: float | None,
) -> tuple[Scores, float]:
    """A method's scores on a batch and the seconds that its maps took; what fails here is raised."""
    try:
        maps, spent = timed(method, pictures.images, pictures.labels)
        masks = metrics.normalise(maps, step)
    except InputError as error:
        raise InputError(f"methods[{name!r}] {error}") from error
    everyone = torch.ones(len(masks), dtype=torch.bool, device=masks.device)
    return scorer(pictures, masks, dict.fromkeys(groups, everyone), threshold=threshold), spent


def _check(
    methods: Mapping[str, Method],
    normalisation: Mapping[str, str],
    dataset: LabelledImages,
    threshold_dataset: LabelledImages | None,
) -> None:
    if not methods:
        raise InputError("methods is empty; give at least one, by name.")
    missing = [name for name in methods if name not in normalisation]
    unknown = sorted({step for step in normalisation.values() if step not in metrics.NORMALISATIONS})
    if missing or unknown:
        problem = f"names no step for {missing}" if missing else f"names unknown steps {unknown}"
        raise InputError(f"normalisation {problem}; give every method one of {sorted(metrics.NORMALISATIONS)}.")
    if threshold_dataset is dataset:
        raise InputError("threshold_dataset is the data set itself; choose thresholds on another split, or give None.")
