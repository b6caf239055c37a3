"""The evaluation loop: every method, the same images, the same scores."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from explanans import metrics
from explanans.benchmark.evaluation import Evaluation, MethodResult
from explanans.data import LabelledImages, loader
from explanans.errors import InputError
from explanans.explanandum import Explanandum
from explanans.masking import apply_mask, make_fill, merge
from explanans.methods.base import Method

FILL = "mean"


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
    place = _device_of(explanandum) if device is None else torch.device(device)
    for module in modules:
        module.to(place)

    def batches(dataset: LabelledImages, title: str) -> Iterator[dict[str, Tensor]]:
        samples = loader(dataset, batch_size, workers=num_workers)
        for batch in track(samples, title, console=Console(stderr=True), disable=not progress):
            if "segmentation" not in batch:
                raise InputError("dataset has no segmentations, which masks are compared with; give one that has them.")
            yield {key: value.to(place) for key, value in batch.items()}

    with torch.no_grad(), _evaluation_mode(modules):
        thresholds: dict[str, float] = {}
        if threshold_dataset is not None:
            thresholds = _choose_thresholds(methods, normalisation, batches(threshold_dataset, "thresholds"))
        return _score(methods, normalisation, thresholds, explanandum, batches(dataset, "methods"), batch_size)


def _choose_thresholds(
    methods: Mapping[str, Method], normalisation: Mapping[str, str], batches: Iterator[dict[str, Tensor]]
) -> dict[str, float]:
    best: dict[str, metrics.BestThreshold] = {}
    for batch in batches:
        _, batch = _split_by_label(batch)
        if not len(batch["image"]):
            continue
        target, valid = metrics.label_region(batch["segmentation"], batch["labels"])
        for name, method in methods.items():
            maps, _ = _timed(method, batch["image"], batch["labels"].bool(), name)
            mask, _ = merge(metrics.normalise(maps, normalisation[name]), batch["labels"])
            metric = best.setdefault(name, metrics.BestThreshold().to(mask.device))
            metric.update(mask, target, valid)
    if not best:
        raise InputError("threshold_dataset has no image with a label; give another split, or None.")
    # The metric answers on its device in float32; the grid itself has the exact number.
    return {name: metrics.best_threshold(metric.means(), metric.thresholds) for name, metric in best.items()}


def _score(
    methods: Mapping[str, Method],
    normalisation: Mapping[str, str],
    thresholds: Mapping[str, float],
    explanandum: Explanandum,
    batches: Iterator[dict[str, Tensor]],
    batch_size: int,
) -> Evaluation:
    values: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    nan_count = dict.fromkeys(methods, 0)
    indices: list[int] = []
    without_label: list[int] = []
    for batch in batches:
        left_out, batch = _split_by_label(batch)
        without_label += left_out
        images, labels = batch["image"], batch["labels"].bool()
        if not len(images):
            continue
        target, valid = metrics.label_region(batch["segmentation"], labels)
        for name, method in methods.items():
            if not indices:
                method(images, labels)
            maps, spent = _timed(method, images, labels, name)
            seconds[name] += spent
            mask, _ = merge(metrics.normalise(maps, normalisation[name]), labels)
            scores, broken = _image_scores(mask, target, valid, images, labels, explanandum, thresholds.get(name))
            nan_count[name] += int(broken.sum())
            for score, numbers in scores.items():
                values[name][score] += numbers.tolist()
        indices += batch["index"].tolist()
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
    return Evaluation(rows, tuple(indices), tuple(without_label), FILL, str(images.device), batch_size)


def _image_scores(
    mask: Tensor,
    target: Tensor,
    valid: Tensor,
    images: Tensor,
    labels: Tensor,
    explanandum: Explanandum,
    threshold: float | None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Every score (N,) of N target masks, and which images (N,) could not be scored because of a NaN."""
    soft = metrics.soft_overlap(mask, target, valid)
    binary = metrics.binarised_overlap(mask, target, metrics.PAPER_THRESHOLDS, valid)
    iou = binary.iou()
    masked = apply_mask(images, mask, make_fill(FILL, explanandum.preprocessing)(images))
    probabilities = explanandum.probabilities(masked)
    scores = {
        "accuracy_soft": soft.accuracy(),
        "f1_soft": soft.f1(),
        "iou_soft": soft.iou(),
        "f1_mean": binary.f1().mean(1),
        "iou_mean": iou.mean(1),
        "iou_50": iou[:, metrics.PAPER_THRESHOLDS.index(0.5)],
        "saliency": metrics.saliency_metric(mask, probabilities, labels),
    }
    if threshold is not None:
        scores["iou_best"] = metrics.binarised_iou(mask, target, [threshold], valid)[:, 0]
    return scores, soft.broken | (probabilities.isnan() & labels).any(1)


def _timed(method: Method, images: Tensor, labels: Tensor, name: str) -> tuple[Tensor, float]:
    """A method's maps, checked for their shape, and the seconds that it took."""
    _synchronise(images.device)
    start = time.perf_counter()
    maps = method(images, labels)
    _synchronise(images.device)
    seconds = time.perf_counter() - start
    expected = (*labels.shape, *images.shape[-2:])
    if tuple(maps.shape) != expected:
        raise InputError(f"methods[{name!r}] returned maps of shape {tuple(maps.shape)}; expected {expected}.")
    return maps, seconds


def _synchronise(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _split_by_label(batch: dict[str, Tensor]) -> tuple[list[int], dict[str, Tensor]]:
    """Indices of the images without a label, and the batch of the others."""
    labelled = batch["labels"].bool().any(1)
    return batch["index"][~labelled].tolist(), {key: value[labelled] for key, value in batch.items()}


@contextmanager
def _evaluation_mode(modules: list[nn.Module]) -> Iterator[None]:
    """Every part of the modules in evaluation mode, and afterwards each in its own mode again."""
    modes = [(part, part.training) for module in modules for part in module.modules()]
    for part, _ in modes:
        part.training = False
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _device_of(module: nn.Module) -> torch.device:
    return next((value.device for value in module.state_dict().values()), torch.device("cpu"))


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
