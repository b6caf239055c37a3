"""The Explainer: a network that predicts one mask per class of its Explanandum, in one forward pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from huggingface_hub import ModelHubMixin, snapshot_download
from huggingface_hub.errors import HFValidationError
from torch import Tensor, nn

from explanans import sources
from explanans.errors import InputError
from explanans.explanandum import Explanandum
from explanans.modes import evaluating
from explanans.networks import TrunkHead, build_network
from explanans.networks.folding import fold_batch_norms
from explanans.refinement import enlarge
from explanans.targets import Target, multi_hot

if TYPE_CHECKING:
    from explanans.explanation import Explanation

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CLASSIFIER = "classifier"
KEYS = ("mask_network", "classifier", "facts")


class Prediction(NamedTuple):
    """What :meth:`Explainer.predict_and_explain` returns: probabilities (N, C), masks (N, C, H, W) in [0, 1]."""

    probabilities: Tensor
    masks: Tensor


class Explainer(nn.Module, ModelHubMixin, library_name="explanans", tags=["explainability"]):
    """A mask network over a frozen classifier.

    ``explainer(x)`` are the class masks S = σ(E(x)), (N, C, H, W) in [0, 1], of normalised images (N, 3, H, W).

    Args:
        explanandum: the classifier that is explained; it is kept as it is and never trained.
        network: the mask network's name, see :func:`explanans.networks.build_network`, or a module
            (N, 3, H, W) → (N, C, h, w) of your own (then loading needs that module again).
        encoder_weights: what the network's encoder starts from: "published" (ImageNet), "explanandum" (the
            classifier's own trunk, where the architecture is the same), None (random), or a weights file.

    Attributes:
        scale, shift: of the mask logits, see :meth:`head_logits`.
        facts: how it was trained; saved with it.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        explanandum: Explanandum,
        network: str | nn.Module = "deeplabv3_resnet50",
        *,
        encoder_weights: Literal["published", "explanandum"] | str | Path | None = "published",
    ) -> None:
        super().__init__()
        if not isinstance(explanandum, Explanandum):
            raise InputError(f"explanandum is a {type(explanandum).__name__}; wrap it: Explanandum(module, classes=…).")
        self.explanandum = explanandum
        self.network_name = network if isinstance(network, str) else None
        if isinstance(network, str):
            weights = _encoder_weights(encoder_weights, explanandum)
            self.network = build_network(network, explanandum.num_classes, weights, explanandum)
        else:
            self.network = network
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        self.facts: dict[str, Any] = {}

    def calibrate(self, scale: float, shift: float) -> None:
        """Set what :meth:`head_logits` multiplies by and adds."""
        self.scale.fill_(scale)
        self.shift.fill_(shift)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.explanandum.classes

    def head_logits(self, images: Tensor) -> Tensor:
        """Mask logits at the network's own resolution, (N, C, h, w): ``scale`` · (network(x) + ``shift``).

        Both come from :class:`explanans.training.Calibration`; without one they are 1 and 0.
        """
        return self._checked(self.network(images), images)

    def _checked(self, logits: Tensor, images: Tensor) -> Tensor:
        classes = self.explanandum.num_classes
        if logits.ndim != 4 or logits.shape[0] != images.shape[0] or logits.shape[1] != classes:
            raise InputError(
                f"network: returned {tuple(logits.shape)} for {len(images)} images and "
                f"{self.explanandum.num_classes} classes; expected (N, C, h, w)."
            )
        return self.scale * (logits + self.shift)

    def logits(self, images: Tensor) -> Tensor:
        """Mask logits E(x) at the images' resolution, (N, C, H, W)."""
        return enlarge(self.head_logits(images), images.shape[-2:])

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) → class masks (N, C, H, W) in [0, 1]."""
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
        probabilities, head = self.answers(images)
        return Prediction(probabilities, self._masks(head, images))

    def answers(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (N, C) and :meth:`head_logits` (N, C, h, w), from one pass where the network allows it."""
        if isinstance(self.network, TrunkHead):
            answer, head = self.network.answer_and_logits(images)
            return self.explanandum.activate(answer.float()), self._checked(head, images)
        return self.explanandum.probabilities(images), self.head_logits(images)

    def folded(self) -> Explainer:
        """The same Explainer for use, not for training: batch norms folded into convolutions, which takes
        less time (``benchmarks/explainer_and_grad_cam.py``).

        See :func:`explanans.networks.folding.fold_batch_norms`. It has its own network and shares the classifier; its
        masks differ by rounding. Save the one that it was made from.
        """
        preprocessing = self.explanandum.preprocessing
        place = next(self.network.parameters(), torch.zeros(()))
        images = torch.rand(
            1,
            preprocessing.channels,
            preprocessing.height,
            preprocessing.width,
            generator=torch.Generator().manual_seed(0),
        ).to(place)
        quick = Explainer(self.explanandum, fold_batch_norms(self.network, images))
        quick.calibrate(float(self.scale), float(self.shift))
        quick.facts = dict(self.facts)
        return quick.eval()

    def attribute(self, inputs: Tensor, target: Target | None = None) -> Tensor:
        """Masks in captum's convention: a tensor of the inputs' shape, equal in every colour channel, in [0, 1].

        Args:
            inputs: normalised images (N, 3, H, W).
            target: the class of each image (or several: their pixelwise maximum) by the one target rule of
                :func:`explanans.targets.multi_hot`; None takes each image's most probable class.

        Not recorded by autograd; parameters and inputs get no gradient.
        """
        with torch.no_grad(), evaluating(self):
            if target is None:
                target = self.explanandum(inputs).argmax(1)
            asked = multi_hot(target, self.classes, len(inputs), inputs.device)
            masks = self(inputs).masked_fill(~asked[:, :, None, None], 0)
        return masks.amax(1, keepdim=True).expand_as(inputs).clone()

    def explain(self, images: Any, **options: Any) -> Explanation | list[Explanation]:
        """Explain one picture or a sequence of them; see :func:`explanans.explaining.explain`."""
        from explanans.explaining import explain

        return explain(self, images, **options)

    def _save_pretrained(self, save_directory: Path) -> None:
        config = {
            "mask_network": self.network_name,
            "classifier": self.explanandum.identity(),
            "calibration": {"scale": float(self.scale), "shift": float(self.shift)},
            "facts": self.facts,
        }
        if isinstance(self.network, TrunkHead):
            config["layers"] = self.network.layers
        if self.explanandum.source is not None:
            self.explanandum.save(save_directory / CLASSIFIER)
        # Last, because a folder without its configuration is refused: one that was interrupted is never half loaded.
        sources.save_state(self.network, config, save_directory, CONFIG)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Explainer:
        """Load what :meth:`save_pretrained` wrote, in evaluation mode.

        Args:
            pretrained_model_name_or_path: a folder, or a name on the Hugging Face hub.
            options: of :class:`huggingface_hub.ModelHubMixin` (``revision``, ``token``, …), and

                - ``explanandum``: the classifier that it explains, where it was not saved with it.
                - ``network``: the mask network, where it was a module of your own; it gets the weights.
                - ``allow_other_classifier``: take an ``explanandum`` that is not the one it was trained for.
                - ``trust_factory``: see :meth:`Explanandum.load`.

        Raises:
            InputError: nothing there, damaged files, another classifier.
        """
        try:
            return super().from_pretrained(pretrained_model_name_or_path, **options)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{pretrained_model_name_or_path}: {CONFIG} is not valid JSON ({error}); it is damaged. Save the "
                "Explainer again."
            ) from error

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        explanandum: Explanandum | None = None,
        network: nn.Module | None = None,
        allow_other_classifier: bool = False,
        trust_factory: bool = False,
        **unknown: Any,
    ) -> Explainer:
        if unknown:
            raise InputError(f"Explainer.from_pretrained: unknown arguments {sorted(unknown)}.")
        folder = Path(model_id)
        if not folder.is_dir():
            try:
                folder = Path(
                    snapshot_download(
                        model_id,
                        revision=revision,
                        cache_dir=cache_dir,
                        force_download=force_download,
                        local_files_only=local_files_only,
                        token=token,
                    )
                )
            except (OSError, HFValidationError) as error:
                raise InputError(
                    f"explainer {model_id!r} is no folder here and could not be fetched from the hub ({error})."
                ) from error
        config = sources.read_config(folder, CONFIG, "Explainer", "Explainer.save_pretrained", KEYS)
        explanandum = _matching_classifier(
            folder, config["classifier"], explanandum, allow_other_classifier, trust_factory
        )
        if network is None and config["mask_network"] is None:
            raise InputError(f"{folder} was saved with a network of your own; pass network=MODULE to load it.")
        explainer = cls(explanandum, network or config["mask_network"], encoder_weights=None)
        if isinstance(explainer.network, TrunkHead):
            _require_layers(folder, config.get("layers"), explainer.network.layers)
        sources.load_weights(explainer.network, folder / WEIGHTS)
        explainer.network_name = config["mask_network"]
        # Those saved by an earlier version have none.
        calibration = config.get("calibration", {"scale": 1.0, "shift": 0.0})
        explainer.calibrate(calibration["scale"], calibration["shift"])
        explainer.facts = config["facts"]
        return explainer.eval()


def _require_layers(folder: Path, saved: list[str] | None, own: list[str]) -> None:
    """Layers are found anew when a head is built; others of the same widths would take its weights and mean nothing."""
    if saved is not None and saved != own:
        raise InputError(
            f"{folder}: the head was trained on the layers {saved} of the classifier, but here it would read {own}; "
            "take the versions of explanans and of the classifier's library that it was trained with, or train it again."
        )


def _encoder_weights(choice: str | Path | None, explanandum: Explanandum) -> Any:
    if choice == "explanandum":
        return explanandum.module.state_dict()
    if choice is None or choice == "published":
        return choice
    return sources.read_weights(choice)


def _matching_classifier(
    folder: Path,
    identity: Mapping[str, Any],
    explanandum: Explanandum | None,
    allow_other: bool,
    trust_factory: bool,
) -> Explanandum:
    if explanandum is None:
        if not (folder / CLASSIFIER).is_dir():
            raise InputError(
                f"{folder} explains a classifier that was not saved with it (weights' hash "
                f"{identity['weights_hash'][:12]}…); pass explanandum=Explanandum(…)."
            )
        explanandum = Explanandum.load(folder / CLASSIFIER, trust_factory=trust_factory)
    own = json.loads(json.dumps(explanandum.identity()))
    different = [key for key in ("weights_hash", "classes", "activation", "preprocessing") if own[key] != identity[key]]
    if different and not allow_other:
        raise InputError(
            f"{folder} was trained for another classifier: {', '.join(different)} differ (weights' hash "
            f"{identity['weights_hash'][:12]}… there, {own['weights_hash'][:12]}… here). Its masks would explain "
            "something else; pass the right one, or allow_other_classifier=True if you insist."
        )
    return explanandum
