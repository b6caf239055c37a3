"""The report of ``explanans demo``: what was learned, how well, on pictures that nobody picked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.report import page as html
from explanans.benchmark.report.curve_plots import curves
from explanans.benchmark.results import Results
from explanans.benchmark.summary_row import Row
from explanans.data import LabelledImages
from explanans.explainers.explainer import Explainer
from explanans.explanations.class_explanation import ClassExplanation
from explanans.explanations.explanation import Explanation
from explanans.images import drawing
from explanans.methods.grad_cam import GradCAM
from explanans.metrics import normalise
from explanans.utils.devices import like
from explanans.utils.files import atomic_file
from explanans.utils.progress import Progress

FIRST = ("iou_soft", "iou_best")
THEN = ("f1_soft", "accuracy_soft", "f1_mean", "iou_mean", "iou_50", "saliency")
SHOWN = (*FIRST, *THEN)
"""Scores in the table; the best threshold stands between the first and the others."""

TERMS = {
    "val/classification": "what the masks keep must name the classes",
    "val/entropy": "the rest must not",
    "val/area_target": "masks are small",
    "val/area_non_target": "other classes' masks are empty",
    "val/tv": "masks are smooth",
}


def write_report(
    path: str | Path,
    *,
    explainer: Explainer,
    scenes: LabelledImages,
    results: Results,
    classifier_curves: Sequence[Mapping[str, float]],
    explainer_curves: Sequence[Mapping[str, float]],
    classifier_scores: Mapping[str, float],
    facts: Sequence[tuple[str, str]],
    commands: Sequence[str],
    show: bool = False,
) -> Path:
    """Write the page, whole or not at all.

    Args:
        path: of the HTML file.
        explainer: the trained one.
        scenes: test scenes to show, in their order; best not chosen by anybody.
        results: of a benchmark of one classifier, with the methods "explainer" and "grad_cam".
        classifier_curves, explainer_curves: rows of the runs' ``metrics.csv``.
        classifier_scores: of the classifier on its validation split.
        facts: figures on the run, each with its meaning.
        commands: how to go on.
        show: say how far it is, on standard error.
    """
    rows = results.summary(*SHOWN)
    means = {row.method: row.mean for row in rows}
    best, other = means["explainer"], means["grad_cam"]
    parts = [
        html.heading("Which pixels speak for which class?", 1),
        html.paragraph(
            "A classifier was trained to name the shapes in generated pictures, and then a second network, the "
            "Explainer, to show for every class the pixels that the classifier goes by: one mask per class, all in one "
            "forward pass. Neither ever saw where anything is; the outlines below come out of the classifier alone.",
            "lead",
        ),
        html.tiles(
            [
                (f"{best['iou_soft']:.2f}", "soft IoU of the Explainer's masks with the true objects"),
                (f"{other['iou_soft']:.2f}", f"of Grad-CAM ({other['iou_best']:.2f} cut at its best threshold)"),
                (f"{classifier_scores['f1_micro']:.2f}", "micro-F1 of the classifier on validation pictures"),
                *facts,
            ]
        ),
        html.heading("Against Grad-CAM and constants"),
        html.paragraph(
            f"{len(results.images)} test pictures that neither network has seen; per picture the union of its "
            "classes' masks against the true objects. Best thresholds were chosen on other pictures. "
            "↑ higher is better, ↓ lower is better; the best value of a column is marked."
        ),
        _table(results, rows),
        html.heading("Pictures that nobody picked"),
        html.paragraph(
            f"The first {len(scenes)} test pictures with an object. The receipt below a mask has the classifier's "
            "probability of the class on the whole picture, on what the mask keeps and on what it removes (the worst "
            "of two ways to hide pixels), and the mask's area. A good mask keeps the probability, removes it from the "
            "rest, and is small. Below each is Grad-CAM for the same class."
        ),
        html.group("scenes", _scenes(explainer, scenes, show)),
        html.heading("Training"),
        html.group(
            "curves",
            [
                html.figure(
                    curves(
                        classifier_curves,
                        {"train/loss": "loss, training", "val/loss": "loss, validation", "val/f1_micro": "micro-F1"},
                        "Training of the classifier",
                    ),
                    "The classifier. The training loss includes empty pictures and hidden cells.",
                ),
                html.figure(
                    curves(
                        explainer_curves,
                        {"train/loss": "training", "val/loss": "validation"},
                        "Loss of the Explainer",
                    ),
                    "The Explainer's loss. The validation loss is that of the averaged weights.",
                ),
                html.figure(
                    curves(explainer_curves, TERMS, "Terms of the Explainer's loss"),
                    "The terms of its loss on the validation pictures, each with its weight.",
                ),
            ],
        ),
        html.heading("How to go on"),
        html.code(commands),
        f"<footer>{escape('Made by explanans demo. The file needs nothing but itself.')}</footer>",
    ]
    with atomic_file(path) as temporary:
        temporary.write_text(html.page("explanans demo", *parts), encoding="utf-8")
    return Path(path)


def _table(results: Results, rows: Sequence[Row]) -> str:
    header = ["method", "normalisation", *(COLUMNS[name].heading for name in FIRST), "best t"]
    header += [*(COLUMNS[name].heading for name in THEN), "ms per picture"]
    lines = []
    for row in rows:
        first, then = ([COLUMNS[name].format.format(row.mean[name]) for name in names] for names in (FIRST, THEN))
        threshold = results.threshold(row.classifier, row.method, row.normalisation)
        cost = (results.costs(row.classifier, row.method) or {}).get("ms_per_image")
        line = [row.title, row.normalisation, *first, "–" if threshold is None else f"{threshold:.2f}", *then]
        lines.append([*line, "–" if cost is None else f"{cost:.3g}"])
    marked = []
    for name in SHOWN:
        extreme = max if COLUMNS[name].higher_is_better else min
        leader = extreme(range(len(rows)), key=lambda index, name=name: rows[index].mean[name])  # type: ignore[misc]
        marked.append((leader, header.index(COLUMNS[name].heading)))
    return html.table(header, lines, marked)


def _scenes(explainer: Explainer, scenes: LabelledImages, show: bool) -> list[str]:
    grad_cam = GradCAM(explainer.explanandum)
    device = like(explainer).device
    cards = []
    with Progress("explaining", len(scenes), unit="pictures", show=show) as progress:
        for index in progress.over(range(len(scenes))):
            labels = scenes.labels[index].bool()
            explanation = explainer.explain(scenes.picture(index), classes=labels.nonzero().flatten().tolist())
            inputs = scenes[index]["image"][None].to(device)
            cams = normalise(grad_cam(inputs, labels[None].to(device)), "minmax")[0].cpu()
            cards.append(_card(explanation, scenes.segmentation_map(index), cams))  # type: ignore[arg-type]
    return cards


def _card(explanation: Explanation, truth: Tensor, cams: Tensor) -> str:
    """A column for the picture and the true objects, and one for each class: the Explainer's mask above Grad-CAM's."""
    picture = explanation.picture
    inside = sum((truth == found.index + 1 for found in explanation), torch.zeros_like(truth, dtype=torch.bool))
    columns = [
        html.picture(picture, "generated picture", "picture")
        + html.picture(spotlight(picture, inside.float().numpy()), "true objects", "true objects, for comparison")
    ]
    for found in explanation:
        cam = drawing.resize_mask(cams[found.index].numpy(), (picture.height, picture.width))
        columns.append(
            html.picture(spotlight(picture, found.mask), f"Explainer, {found.name}", _receipt(found))
            + html.picture(spotlight(picture, cam), f"Grad-CAM, {found.name}", f"Grad-CAM, {escape(found.name)}")
        )
    return html.group("scene", [html.group("column", [column]) for column in columns])


def spotlight(picture: Image.Image, mask: drawing.Mask) -> Image.Image:
    """The picture where the mask is 1, fading to a pale grey of itself where it is 0.

    A tint would be lost on pictures that are themselves of many colours.
    """
    colours = np.asarray(picture.convert("RGB"), np.float32)
    pale = 205 + 0.2 * (colours.mean(2, keepdims=True) - 128)
    mixed = pale + mask[:, :, None] * (colours - pale)
    return Image.fromarray(np.rint(mixed.clip(0, 255)).astype(np.uint8))


def _receipt(found: ClassExplanation) -> str:
    name = f"<b>{escape(found.name)}</b>"
    if found.receipt is None:
        return name
    receipt = found.receipt
    return (
        f"{name}<br>whole&nbsp;{receipt.whole:.2f} kept&nbsp;{receipt.kept:.2f} "
        f"removed&nbsp;{receipt.removed:.2f} area&nbsp;{receipt.area:.0%}<br>{escape(receipt.word)}"
    )
