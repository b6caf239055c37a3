"""The Explainer: a network that predicts one mask per class of its Explanandum, in one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, overload

import torch
from torch import Tensor, nn

from explanans.classifiers import sources
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers.folding import fold_batch_norms
from explanans.explainers.networks import AUTO, CopiedTrunk, TrunkHead, build_network, build_own_network
from explanans.explainers.networks.heads import only
from explanans.explainers.refining import Refinement
from explanans.explainers.saving import Saved
from explanans.explanations.batch import Draw, Masker
from explanans.explanations.choice import CALLS
from explanans.explanations.explain import explain
from explanans.explanations.explanation import Explanation
from explanans.explanations.receipt import FILLS
from explanans.explanations.tiles import Merge
from explanans.methods import Method
from explanans.ops.contest import SURE, contested
from explanans.ops.edge_cut import moved_to_edges
from explanans.ops.refinement import enlarge
from explanans.ops.targets import Target, multi_hot
from explanans.utils.devices import like
from explanans.utils.modes import evaluating


class Prediction(NamedTuple):
    """What :meth:`Explainer.predict_and_explain` returns: probabilities (N, C), masks (N, C, H, W) in [0, 1]."""

    probabilities: Tensor
    masks: Tensor


class Explainer(Saved, Masker):
    """A mask network over a frozen classifier.

    ``explainer(x)`` are the class masks S = σ(E(x)), (N, C, H, W) in [0, 1], of normalised images (N, 3, H, W).

    Args:
        explanandum: the classifier that is explained; it is kept as it is and never trained.
        network: the mask network's name: "auto" (what the classifier suggests: "copy" where its features can be read
            and learned, else "light/mobilenetv3_large_100"), "copy" (a light pyramid on a copy of the classifier's own
            trunk, which is trained), "trunk" (a head on the classifier itself, which stays as it is), "compact",
            "light/ENCODER", "deeplabv3_resnet50" (the paper's), "unet/ENCODER", …, see
            :func:`explanans.explainers.networks.build_network`; in Python also a module (N, 3, H, W) → (N, C, h, w) of
            your own (then loading needs that module again).
        encoder_weights: what the network's encoder starts from: "published" (ImageNet), "explanandum" (the
            classifier's own trunk, where the architecture is the same), None (random), or a weights file.

    Attributes:
        scale, shift: of the mask logits, see :meth:`head_logits`.
        reach: how far, in logits of the network, the masks that are asked for are moved to where their picture changes,
            see :func:`explanans.ops.edge_cut.moved_to_edges`; 0 leaves them. The masks of all classes at once, which
            :meth:`forward` gives (and an exported network without ``finish``), stay where they are.
        refine: before that, the enlargement at which they are carried along the classifier's features, see
            :class:`explanans.explainers.refining.Refinement`; 0 leaves them.
        compete: whether, first of all, classes that the classifier sees in the same picture give up what belongs to
            another, see :func:`explanans.ops.contest.contested`; of a softmax no two are seen.
        facts: how it was trained, and what was measured of it; saved with it.
        card: the model card that lay beside it when it was loaded.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        explanandum: Explanandum,
        network: str | nn.Module = AUTO,
        *,
        encoder_weights: Literal["published", "explanandum"] | str | Path | None = "published",
    ) -> None:
        super().__init__()
        if not isinstance(explanandum, Explanandum):
            raise InputError(f"explanandum is a {type(explanandum).__name__}; wrap it: Explanandum(module, classes=…).")
        if not isinstance(network, str | nn.Module):
            raise InputError(f"network is a {type(network).__name__}; give a name, such as 'trunk', or a module.")
        self.explanandum = explanandum
        self.network_name = network if isinstance(network, str) else None
        if isinstance(network, str):
            weights = _encoder_weights(encoder_weights, explanandum)
            if network == AUTO:
                self.network_name, self.network = build_own_network(explanandum, weights)
            else:
                self.network = build_network(network, explanandum.num_classes, weights, explanandum)
        else:
            self.network = network
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        self.reach, self.refine, self.compete = 0.0, 0.0, False
        self.facts: dict[str, Any] = {}
        self.card: str | None = None

    def __repr__(self) -> str:
        network = self.network_name or type(self.network).__name__
        return f"Explainer({network} of {self.explanandum!r}{'' if self.facts else ', not trained'})"

    @property
    def classes(self) -> tuple[str, ...]:
        return self.explanandum.classes

    @property
    def trunk_layers(self) -> list[str] | None:
        return self.network.layers if isinstance(self.network, CopiedTrunk | TrunkHead) else None

    def head_logits(self, images: Tensor, classes: int | None = None) -> Tensor:
        """Mask logits at the network's own resolution, (N, C, h, w): ``scale`` · (network(x) + ``shift``).

        Both come from :class:`explanans.training.Calibration`; without one they are 1 and 0. ``classes`` says for how
        many the network answers, where it is one of fewer than all.
        """
        return self._checked(self.network(images), images, classes)

    def _checked(self, logits: Tensor, images: Tensor, classes: int | None = None) -> Tensor:
        classes = self.explanandum.num_classes if classes is None else classes
        if logits.ndim != 4 or logits.shape[0] != images.shape[0] or logits.shape[1] != classes:
            raise InputError(
                f"network: returned {tuple(logits.shape)} for {len(images)} images and "
                f"{classes} classes; expected (N, C, h, w)."
            )
        return self.scale * (logits + self.shift)

    def logits(self, images: Tensor) -> Tensor:
        """Mask logits E(x) at the images' resolution, (N, C, H, W)."""
        return enlarge(self.head_logits(images), images.shape[-2:])

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) → class masks (N, C, H, W) in [0, 1].

        Raises:
            InputError: something else, such as a picture or pixels from 0 to 255.
        """
        if not self.training:
            self.explanandum.preprocessing.check(images)
        return self._masks(self.head_logits(images), images)

    def _masks(self, head: Tensor, images: Tensor) -> Tensor:
        logits = enlarge(head, images.shape[-2:])
        # The large tensor is this call's own, and without a gradient nobody needs the logits.
        return logits.sigmoid_() if logits is not head and not logits.requires_grad else logits.sigmoid()

    def predict_and_explain(self, images: Tensor) -> Prediction:
        """Normalised images (N, 3, H, W) → the classifier's probabilities (N, C) and all class masks (N, C, H, W).

        With network="trunk" the masks are read on the classifier's way to its answer: one pass for both. With another
        network there are two.
        """
        probabilities, head = self.answers(self.explanandum.preprocessing.check(images))
        return Prediction(probabilities, self._masks(head, images))

    def answers(self, images: Tensor, classes: int | None = None) -> tuple[Tensor, Tensor]:
        """Probabilities (N, C) and :meth:`head_logits` (N, C, h, w), from one pass where the network allows it."""
        if isinstance(self.network, TrunkHead):
            answer, head = self.network.answer_and_logits(images)
            return self.explanandum.activate(answer.float()), self._checked(head, images, classes)
        return self.explanandum.probabilities(images), self.head_logits(images, classes)

    def folded(self) -> Explainer:
        """The same Explainer for use, not for training: batch norms folded into convolutions, which takes
        less time (``benchmarks/explainer_and_grad_cam.py``).

        See :func:`explanans.explainers.folding.fold_batch_norms`. It has its own network and shares the classifier; its
        masks differ by rounding. Save the one that it was made from.
        """
        preprocessing = self.explanandum.preprocessing
        images = torch.rand(
            1,
            preprocessing.channels,
            preprocessing.height,
            preprocessing.width,
            generator=torch.Generator().manual_seed(0),
        ).to(like(self.network))
        quick = Explainer(self.explanandum, fold_batch_norms(self.network, images))
        quick.calibrate(float(self.scale), float(self.shift), self.reach, self.refine, self.compete)
        quick.facts = dict(self.facts)
        return quick.eval()

    @overload
    def attribute(self, inputs: Tensor, target: Target | None = None) -> Tensor: ...

    @overload
    def attribute(self, inputs: tuple[Tensor], target: Target | None = None) -> tuple[Tensor]: ...

    def attribute(self, inputs: Tensor | tuple[Tensor], target: Target | None = None) -> Tensor | tuple[Tensor]:
        """Masks in captum's convention: a tensor of the inputs' shape, equal in every colour channel, in [0, 1].

        Args:
            inputs: normalised images (N, 3, H, W); captum's own metrics hand over a tuple of one such tensor, and get a
                tuple back.
            target: the class of each image (or several: their pixelwise maximum) by the one target rule of
                :func:`explanans.ops.targets.multi_hot`; None takes each image's most probable class.

        Not recorded by autograd; parameters and inputs get no gradient.
        """
        if isinstance(inputs, tuple):
            if len(inputs) != 1:
                raise InputError(f"inputs are {len(inputs)} tensors; a classifier of images has one, (N, 3, H, W).")
            return (self.attribute(inputs[0], target),)
        self.explanandum.preprocessing.check(inputs)
        with torch.no_grad(), evaluating(self):
            if target is None:
                target = self.explanandum(inputs).argmax(1)
            asked = multi_hot(target, self.classes, len(inputs), inputs.device)
            masks = self.masks_of(inputs, asked)
        image = asked.nonzero()[:, 0, None, None].expand_as(masks)
        highest = masks.new_zeros(len(inputs), *inputs.shape[-2:]).scatter_reduce(0, image, masks, "amax")
        return highest[:, None].expand_as(inputs).clone()

    def look(self, images: Tensor) -> tuple[Tensor, Draw]:
        """Probabilities (N, C) of normalised images, and what draws the masks that are then asked for.

        One pass where the network allows it; memory for the classes asked for, not for all.
        """
        network = self.network
        with torch.no_grad(), evaluating(self):
            if isinstance(network, TrunkHead):
                answer, views = network.answer_and_features(images)
                probabilities = self.explanandum.activate(answer.float())
                return probabilities, partial(self._draw, images, partial(network.decode, views), probabilities)
            probabilities = self.explanandum.probabilities(images)
            return probabilities, partial(self._draw, images, partial(network, images), probabilities)

    def masks_of(self, images: Tensor, asked: Tensor) -> Tensor:
        """The masks (P, H, W) in [0, 1] of the pairs that are true in ``asked`` (N, C), in order; without gradients.

        None depends on which others are asked for.
        """
        if self.competes:
            return self.look(images)[1](asked)
        return self._draw(images, partial(self.network, images), None, asked)

    @property
    def competes(self) -> bool:
        """Whether masks :attr:`compete`, and the classifier may see several classes in a picture."""
        return self.compete and self.explanandum.activation == "sigmoid" and self.explanandum.num_classes > 1

    @torch.no_grad()
    def _draw(
        self, images: Tensor, logits: Callable[[], Tensor], probabilities: Tensor | None, asked: Tensor
    ) -> Tensor:
        seen = probabilities if self.competes else None
        # Rivals are looked at whether they are asked for or not.
        wanted = asked if seen is None else asked | ((seen >= SURE) & asked.any(1, keepdim=True))
        columns = wanted.any(0).nonzero().flatten()
        image, column = asked.nonzero(as_tuple=True)
        if not len(image):
            return images.new_zeros(0, *images.shape[-2:])
        with evaluating(self), only(self.network, columns) as narrowed:
            head = self._checked(logits(), images, len(columns) if narrowed else None)
        if not narrowed:
            head = head[:, columns]
        scale = float(self.scale)
        if seen is not None:
            head = contested(head, seen[:, columns], scale)
        # Only what is asked for is enlarged: a thousand maps per photo would fill the memory.
        own = head[image, torch.searchsorted(columns, column)]
        if self.refine:
            own = Refinement(self.explanandum, self.refine)(own, images, image, scale)
        enlarged = enlarge(own[:, None], images.shape[-2:])[:, 0]
        return moved_to_edges(enlarged, images, image, self.reach, scale).sigmoid()

    def whole_evidence(self) -> Self:
        """The same, with masks as the network makes them, cut where they are for all pictures."""
        found = copy(self)
        found.reach, found.refine, found.compete = 0.0, 0.0, False
        return found

    def identity(self) -> dict[str, Any]:
        """What tells one Explainer from another: its weights, its network, its classifier."""
        # Those that an earlier version began keep theirs.
        finish = [self.reach, self.refine] if self.refine else [self.reach] if self.reach else []
        if self.compete:
            finish = [self.reach, self.refine, self.compete]
        return {
            "explainer": {
                "network": self.network_name,
                "weights_hash": sources.hash_weights(self.network),
                "calibration": [float(self.scale), float(self.shift), *finish],
            },
            "classifier": self.explanandum.identity(),
        }

    def made_by(self) -> dict[str, Any]:
        return {"explainer": {"mask_network": self.network_name, **self.facts}}

    def explain(
        self,
        images: Any,
        *,
        method: str | Method | None = None,
        method_options: Mapping[str, Any] | None = None,
        calls: int = CALLS,
        classes: Target | None = None,
        threshold: float | None = None,
        top_k: int | None = None,
        mask_threshold: float = 0.5,
        batch_size: int = 16,
        receipts: bool = True,
        fills: Sequence[str] = FILLS,
        seed: int = 0,
        tile: int | None = None,
        overlap: float = 0.5,
        merge: Merge = "max",
        progress: bool = True,
    ) -> Explanation | list[Explanation]:
        """Explain one photo or a sequence of them; see :func:`explanans.explanations.explain.explain`.

        ``method`` explains the classifier without this Explainer, to compare.
        """
        return explain(
            self,
            images,
            method=method,
            method_options=method_options,
            calls=calls,
            classes=classes,
            threshold=threshold,
            top_k=top_k,
            mask_threshold=mask_threshold,
            batch_size=batch_size,
            receipts=receipts,
            fills=fills,
            seed=seed,
            tile=tile,
            overlap=overlap,
            merge=merge,
            progress=progress,
        )


def _encoder_weights(choice: str | Path | None, explanandum: Explanandum) -> Any:
    if choice == "explanandum":
        return explanandum.module.state_dict()
    if choice is None or choice == "published":
        return choice
    return sources.read_weights(choice)
