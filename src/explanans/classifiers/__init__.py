"""Classifiers that the package brings along, ``explanans:NAME``; for trials without pre-trained weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from explanans.classifiers.small_resnet import SmallResNet

CLASSIFIERS: dict[str, Callable[..., nn.Module]] = {"small_resnet": SmallResNet}

__all__ = ["CLASSIFIERS", "SmallResNet"]
