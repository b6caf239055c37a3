"""The commands; a new one is a new file and a line in ``COMMANDS``.

A command's module has ``PARTS``, the functions of the library whose parameters are its options, and ``run``, which
calls them, prints, and returns the exit status. Parameters of ``run`` itself are options too; where there are parts it
is ``run(given, …)``. The docstring is its help. Only the chosen one is imported.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    module: str
    summary: str


COMMANDS = {
    "demo": Command("explanans.cli.commands.demo", "see it work: generated pictures, both networks trained, a report"),
    "data scenes": Command("explanans.cli.commands.data_scenes", "generate pictures with exact masks, to try things"),
    "data voc": Command("explanans.cli.commands.data_voc", "fetch PASCAL VOC 2007 or 2012, checked and unpacked"),
    "data cub": Command("explanans.cli.commands.data_cub", "fetch CUB-200-2011: birds, one class per picture"),
    "data coco": Command("explanans.cli.commands.data_coco", "fetch COCO-2014, write the lists of its splits"),
    "classifier fit": Command("explanans.cli.commands.classifier_fit", "train a classifier, or fine-tune one"),
    "surrogate fit": Command(
        "explanans.cli.commands.surrogate_fit", "train a stand-in for a classifier without gradients"
    ),
    "fit": Command("explanans.cli.commands.fit", "train an Explainer for a classifier"),
    "recipes": Command("explanans.cli.commands.recipes", "list the ready-made configurations for --config NAME"),
    "explain": Command("explanans.cli.commands.explain", "explain pictures: any classifier, or a trained Explainer"),
    "audit": Command("explanans.cli.commands.audit", "what a classifier uses on a whole data set, and what is suspect"),
    "guide": Command("explanans.cli.commands.guide", "fine-tune a classifier so that it looks where it should"),
    "severity": Command("explanans.cli.commands.severity", "area, number, length of what was found, and how it grows"),
    "annotate": Command("explanans.cli.commands.annotate", "regions into Label Studio, CVAT, YOLO, COCO, and back"),
    "serve": Command("explanans.cli.commands.serve", "explain photos in a browser: a page to drop them on"),
    "export": Command("explanans.cli.commands.export", "write an Explainer as ONNX, checked against PyTorch"),
    "benchmark": Command("explanans.cli.commands.benchmark", "measure attribution methods side by side"),
    "card": Command("explanans.cli.commands.card", "the model card of an Explainer, with what was measured"),
    "report": Command("explanans.cli.commands.report", "tables and page of a benchmark, from its folder"),
}
