"""A pyramid on a copy of the classifier's trunk, which is trained while the classifier stays as it is."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import torch
from torch import Tensor, nn

from explanans.classifiers.explanandum import Explanandum
from explanans.classifiers.layers import first, grey_image
from explanans.classifiers.taps import find_taps, tapped
from explanans.errors import InputError
from explanans.explainers.networks.fpn import LightFPN
from explanans.utils.hooks import watching
from explanans.utils.query_options import split_options
from explanans.utils.typed import Count


class _Enough(BaseException):
    """Ends a pass once all layers have been read; no Exception, which a module might catch or report."""


class TrunkCopy(nn.Module):
    """Images → the features of the layers that :func:`find_taps` finds, finest first, each (N, K, h, w).

    ``module`` is a copy of the classifier's without the parts that the features do not depend on (its last layers); a
    pass ends where the last feature has been read.

    Raises:
        InputError: no layer has spatial features, or the module cannot be copied or has no gradient.
    """

    def __init__(self, explanandum: Explanandum) -> None:
        super().__init__()
        self.taps = find_taps(explanandum)
        try:
            self.module = copy.deepcopy(explanandum.module)
        except Exception as error:
            raise InputError(
                f"network='copy': the classifier cannot be copied ({type(error).__name__}: {error}); take 'trunk', "
                "which reads it, or a network of its own, such as light/mobilenetv2_100."
            ) from error
        for parameter in self.module.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        grey = grey_image(explanandum)
        # A layer that is used twice is read when it is used last.
        uses: list[str] = []
        with torch.no_grad(), watching(self._read(), lambda name, *_: uses.append(name)):
            self.module(grey)
        self.uses = len(uses)
        self._drop_unread(grey)

    def forward(self, images: Tensor) -> list[Tensor]:
        features: dict[str, Tensor] = {}
        left = self.uses

        def see(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
            nonlocal left
            features[name] = first(output)
            left -= 1
            # What writes a graph down keeps account of the parts that it is in, and leaves out what nobody reads.
            if not left and not torch.compiler.is_compiling():
                raise _Enough

        with contextlib.suppress(_Enough), watching(self._read(), see):
            self.module(images)
        return tapped(self.taps, features, images)

    def _read(self) -> list[tuple[str, nn.Module]]:
        return [(tap.name, self.module.get_submodule(tap.name)) for tap in self.taps]

    def _drop_unread(self, grey: Tensor) -> None:
        """Leave out what no feature depends on: it would be averaged and saved for nothing."""
        with torch.inference_mode(False), torch.enable_grad():
            total = torch.stack([feature.float().sum() for feature in self(grey.clone())]).sum()
            if not total.requires_grad:
                raise InputError(
                    "network='copy': the classifier's features have no gradient, so a copy cannot be trained; take "
                    "'trunk', or a network of its own, such as light/mobilenetv2_100."
                )
            total.backward()
        unread = set()
        for parameter in self.module.parameters():
            if parameter.grad is None:
                unread.add(id(parameter.requires_grad_(False)))
        self.module.zero_grad(set_to_none=True)
        dropped: list[tuple[nn.Module, str, nn.Module]] = []
        for name, part in list(self.module.named_modules()):
            own = [id(parameter) for parameter in part.parameters()]
            if name and own and unread.issuperset(own):
                parent, _, last = name.rpartition(".")
                dropped.append((self.module.get_submodule(parent), last, part))
        # Its place is kept: a row of blocks is called by number.
        for around, name, _ in dropped:
            setattr(around, name, nn.Identity())
        try:
            with torch.no_grad():
                self.module(grey)
        except Exception:
            # It cannot run to its end without them, which it has to where a graph is written down.
            for around, name, part in dropped:
                setattr(around, name, part)


class CopiedTrunk(LightFPN):
    """A :class:`~explanans.explainers.networks.fpn.LightFPN` whose encoder starts as the trunk of the Explanandum.

    Whatever the classifier is made of, and for the sizes of images that it takes.
    """

    encoder: TrunkCopy

    def __init__(self, explanandum: Explanandum, width: int = 96) -> None:
        encoder = TrunkCopy(explanandum)
        super().__init__(encoder, [tap.channels for tap in encoder.taps], explanandum.num_classes, width=width)

    @property
    def layers(self) -> list[str]:
        """Names of the layers that are read, finest first."""
        return [tap.name for tap in self.encoder.taps]


def copied_trunk(name: str, explanandum: Explanandum | None) -> CopiedTrunk:
    """The network that "copy" or "copy?width=64" names.

    Raises:
        InputError: a setting that it does not have, or no classifier.
    """
    if explanandum is None:
        raise InputError("network='copy' copies a classifier; build it with Explainer(classifier, 'copy').")
    return CopiedTrunk(explanandum, **split_options(name, {"width": Count}, f"network={name!r}")[1])
