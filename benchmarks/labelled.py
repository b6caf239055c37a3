"""Labelled pictures as a classifier takes them, which the scripts on guides, cuts and receipts begin with."""

from __future__ import annotations

import argparse

from explanans import Explanandum, open_dataset
from explanans.data import LabelledImages


def add_data(parser: argparse.ArgumentParser, split: str) -> None:
    """The data set and its split as arguments."""
    parser.add_argument("data", help="data set, with segmentations where masks are judged, such as voc:PATH")
    parser.add_argument("--split", default=split)


def pictures(explanandum: Explanandum, options: argparse.Namespace, **more: bool) -> LabelledImages:
    """Of the classifier's classes, normalised as it wants them; ``more`` is for :func:`explanans.open_dataset`."""
    classes, preprocessing = explanandum.classes, explanandum.preprocessing
    return open_dataset(options.data, options.split, classes=classes, preprocessing=preprocessing, **more)
