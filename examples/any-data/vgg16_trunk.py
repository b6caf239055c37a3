"""VGG-16 without its fully connected layers: thirteen convolutions, the mean over all positions, a linear head.

    PYTHONPATH=examples/any-data explanans classifier fit vgg16_trunk:make voc:DEVKIT --weights FEATURES --size 160 \\
        --mean "[0.48502, 0.45796, 0.4076]" --std "[0.229, 0.224, 0.225]" --freeze_backbone --run.max_epochs 1 …

``FEATURES`` are the weights of torchvision's ``features.*``. The classifier of the paper keeps VGG-16's fully connected layers.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import nn
from torchvision.models import vgg16


def make(num_classes: int) -> nn.Sequential:
    network = vgg16(weights=None)
    return nn.Sequential(
        OrderedDict(
            features=network.features,
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(512, num_classes),
        )
    )
