"""The Explanandum: a frozen classifier, whatever it is made of, as images → logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from explanans.classifiers import sources
from explanans.classifiers.class_names import read_classes
from explanans.classifiers.sources.shared.logits import logits_of
from explanans.classifiers.sources.shared.reductions import Reduction
from explanans.errors import InputError
from explanans.images.preprocessing import Preprocessing
from explanans.utils.devices import like
from explanans.utils.text import printable

Activation = Literal["sigmoid", "softmax"]
ACTIVATIONS = ("sigmoid", "softmax")


class Explanandum(nn.Module):
    """A classifier that is frozen for good.

    ``explanandum(x)`` are the logits (N, C) of normalised images (N, 3, H, W). No parameter asks for a gradient,
    nothing can put the module into training mode (dropout stays off, batch-norm statistics stay put); gradients still
    flow to the *images*.

    Args:
        module: returns *logits*, not probabilities, in any form that :func:`logits_of` knows. It is frozen in place.
        classes: C names, or a text file with one name per line.
        activation: "sigmoid" (each class on its own, multi-label) or "softmax" (exactly one class per image).
        preprocessing: how a picture becomes the module's input.
        source: how the module was built, for a receipt and to build it again; None for a module in hand.

    Raises:
        InputError: the module's outputs do not fit the class names, or are NaN on a mid-grey image; "softmax" with
            one class.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        classes: Sequence[str] | str | Path,
        activation: Activation,
        preprocessing: Preprocessing,
        source: sources.Source | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise InputError(f"activation={activation!r}; take 'sigmoid' (multi-label) or 'softmax' (single-label).")
        if not isinstance(module, nn.Module):
            raise InputError(f"module is a {type(module).__name__}; give a torch.nn.Module or use Explanandum.load.")
        self.module = module.requires_grad_(False).eval()
        self.classes = read_classes(classes)
        if isinstance(module, sources.FunctionBox):
            module.bind(preprocessing, self.classes)
        if activation == "softmax" and len(self.classes) == 1:
            raise InputError(
                f"activation='softmax' with the only class {self.classes[0]!r}: its probability is 1 on every picture. "
                "Take 'sigmoid', or give every picture one of at least two classes."
            )
        boxes = sources.FileBox | sources.FunctionBox | sources.DetectorBox
        outputs = module.outputs if isinstance(module, boxes) else "logits"
        if outputs not in ("logits", activation):
            raise InputError(
                f"activation={activation!r}, but the classifier was said to return {outputs} probabilities; leave the "
                "activation out, or say what it returns."
            )
        self.activation: Activation = activation
        self.preprocessing = preprocessing
        self.source = source
        self.training = False
        self._check_outputs()

    def __repr__(self) -> str:
        preprocessing = self.preprocessing
        what = self.source.spec if self.source is not None else type(self.module).__name__
        names = ", ".join(self.classes[:3]) + (", …" if self.num_classes > 3 else "")
        colours = "RGB" if preprocessing.channels == 3 else "grey"
        size = f"{preprocessing.height} × {preprocessing.width} {colours}"
        return printable(f"Explanandum({what}: {self.num_classes} classes ({names}), {self.activation}, {size})")

    @classmethod
    def load(
        cls,
        spec: str | Path,
        *,
        classes: Sequence[str] | str | Path | None = None,
        activation: Activation | None = None,
        preprocessing: Preprocessing | None = None,
        weights: str | Path | None = None,
        trust_factory: bool = False,
    ) -> Explanandum:
        """Build a classifier from its name.

        Args:
            spec: ``timm:NAME``, ``torchvision:NAME``, ``hf:NAME`` or ``hf:FOLDER`` (transformers), ``onnx:FILE``,
                ``torchscript:FILE``, ``export:FILE``, ``function:package.module:name`` (answers pictures),
                ``package.module:factory`` (a function or class of yours that returns the module), or a folder that
                :meth:`save` or ``explanans classifier fit`` wrote. Options follow a question mark:
                ``timm:NAME?pad_type=same``. See docs/classifiers.md for what each knows and takes.
            classes: names, where the source does not know them: a file with one per line, or ``a,b,c``.
            activation: "sigmoid" (multi-label) or "softmax" (single-label), where the source does not know it.
            preprocessing: the input, where the source does not know it: size, mean, std.
            weights: a ``.safetensors`` or ``weights_only`` PyTorch file of the whole module. Without it, ``timm:`` and
                ``torchvision:`` load their published weights; there is never a random classifier.
            trust_factory: run code that comes with a classifier: a factory or function that a *saved folder* names,
                ``export:`` files, which PyTorch unpickles, and ``torchscript:`` files, which can write files. Off,
                because loading a file must not run code.
        """
        # Before anything is fetched or built.
        classes = None if classes is None else read_classes(classes)
        loaded = sources.load(spec, weights=weights, trust_factory=trust_factory)
        known = {
            "classes": classes if classes is not None else loaded.classes,
            "activation": activation or loaded.activation,
            "preprocessing": preprocessing or loaded.preprocessing,
        }
        missing = [name for name, value in known.items() if value is None]
        if missing:
            raise InputError(
                f"Explanandum.load({str(spec)!r}): {' and '.join(missing)} cannot be known from the source"
                f"{loaded.unknown and f' ({loaded.unknown})'}; pass {', '.join(f'{name}=…' for name in missing)}."
            )
        if loaded.check is not None:
            loaded.check(cast(Preprocessing, known["preprocessing"]))
        explanandum = cls(loaded.module, source=loaded.source, **cast(dict[str, Any], known))
        if loaded.weights_hash is not None and loaded.weights_hash != explanandum.weights_hash:
            raise InputError(
                f"{spec}: the weights' hash is {explanandum.weights_hash[:12]}…, but the folder was saved with "
                f"{loaded.weights_hash[:12]}…; the file was changed or damaged. Save or copy it again."
            )
        return explanandum

    def save(self, folder: str | Path, **facts: Any) -> Path:
        """Write ``model.safetensors`` and ``explanandum.json`` (atomic); ``facts`` (metrics, data) go into the JSON."""
        config = {
            "classes": list(self.classes),
            "activation": self.activation,
            "preprocessing": self.preprocessing.to_dict(),
            "source": None if self.source is None else self.source.to_dict(),
            "weights_hash": self.weights_hash,
            **facts,
        }
        return sources.save(self.module, config, folder)

    @classmethod
    def from_function(
        cls,
        function: Callable[[Any], Any],
        *,
        classes: Sequence[str] | str | Path,
        outputs: Literal["softmax", "sigmoid"] = "sigmoid",
        preprocessing: Preprocessing,
        name: str | None = None,
        version: str = "",
        batch: int = 32,
        retries: int = 3,
        reduce: Reduction | None = None,
    ) -> Explanandum:
        """A classifier that is a Python function of pictures, such as a call to a remote service.

        Args:
            function: uint8 (N, H, W, 3) in a NumPy array → probabilities (N, C), as an array or nested lists.
            outputs: "softmax" (they sum to 1) or "sigmoid" (independent classes).
            preprocessing: its size is that of the pictures; mean and std are those of whatever learns from it.
            name, version: what a saved Explainer remembers it by; the function's own name by default.
            batch: pictures per call at most.
            retries: how often a call that raises is repeated, after 0.5 s, 1 s, 2 s, …
            reduce: for a function that finds objects: it returns for each picture a mapping with "boxes", "scores" in
                [0, 1] and "labels" (names of classes or their places), or an array (N, C, h, w) of probabilities of
                pixels, which "max" (or "noisy_or" of boxes, "mean" of pixels) makes one probability for each class.
        """
        called = name or f"{function.__module__}:{getattr(function, '__qualname__', type(function).__name__)}"
        box = sources.FunctionBox(
            function, called, outputs=outputs, batch=batch, retries=retries, version=version, reduce=reduce
        )
        return cls(box, classes=classes, activation=outputs, preprocessing=preprocessing)

    @classmethod
    def from_detector(
        cls,
        detector: nn.Module,
        *,
        classes: Sequence[str] | str | Path,
        preprocessing: Preprocessing,
        reduce: Reduction = "max",
    ) -> Explanandum:
        """A detector or segmenter as a multi-label classifier that can be asked and has no gradients.

        Args:
            detector: of torchvision's form. A detector has a ``transform``, takes a list of images (3, H, W) in [0, 1]
                and returns "boxes", "scores" and "labels" for each, label 0 being the background; a segmenter takes
                normalised images and returns logits (N, C + 1, h, w), alone or as "out", the background first.
            preprocessing: its size is that of the pictures; mean 0 and std 1 for a detector, which normalises itself.
            reduce: how boxes or pixels become a probability of a class: "max"; "noisy_or" of boxes, "mean" of pixels.

        Raises:
            InputError: it returns something else, or labels that the classes do not have.
        """
        names = read_classes(classes)
        box = sources.DetectorBox(detector, len(names), reduce=reduce)
        return cls(box, classes=names, activation="sigmoid", preprocessing=preprocessing)

    @property
    def differentiable(self) -> bool:
        """Whether gradients pass through the classifier; an ONNX file and a function have none."""
        return bool(getattr(self.module, "differentiable", True))

    def require_gradients(self, who: str, what: str = "gradients") -> None:
        """Raises InputError where the classifier has no gradients, nor layers to look at; ``who`` needs ``what``."""
        if not self.differentiable:
            raise InputError(
                f"{who} needs {what}, which this classifier ({type(self.module).__name__}) does not give. Train a "
                "surrogate of it (explanans surrogate fit), or take a method that only asks: rise, occlusion, lime, "
                "kernel_shap."
            )

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 over the names, types, shapes and bytes of all parameters and buffers."""
        return sources.hash_weights(self.module)

    def identity(self) -> dict[str, Any]:
        """What a checkpoint records to recognise this classifier again."""
        return {
            "source": None if self.source is None else self.source.to_dict(),
            "weights_hash": self.weights_hash,
            "classes": list(self.classes),
            "activation": self.activation,
            "preprocessing": self.preprocessing.to_dict(),
        }

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) → logits (N, C)."""
        if not isinstance(images, Tensor):
            self.preprocessing.check(images)
        # Somebody may have called train() on the inner module behind our back; a flag check costs microseconds.
        if any(part.training for part in self.module.modules()):
            self.module.eval()
        logits = logits_of(self.module(images))
        # Not len(images): a graph that is being exported would take it for a constant.
        if logits.ndim != 2 or logits.shape[0] != images.shape[0] or logits.shape[1] != self.num_classes:
            raise InputError(
                f"the classifier returned logits of shape {tuple(logits.shape)} for {len(images)} images and "
                f"{self.num_classes} classes {list(self.classes)[:10]}; expected ({len(images)}, {self.num_classes}). "
                "Give the right class names, or a module that ends in one logit per class."
            )
        return logits

    def activate(self, logits: Tensor) -> Tensor:
        """Logits (N, C) → probabilities (N, C): sigmoid per class, or softmax over the classes."""
        return logits.sigmoid() if self.activation == "sigmoid" else logits.softmax(dim=1)

    def laid_out(self, images: Tensor) -> Tensor:
        """The same images in the memory layout that the classifier is quickest with; answers differ by rounding.

        A processor convolves in a quarter less time where the colours of a pixel lie beside one another. The one
        convolution of a vision transformer, which cuts the picture into patches, gains nothing.
        """
        convolutions = sum(isinstance(part, nn.Conv2d) for part in self.module.modules())
        quick = convolutions > 1 and images.device.type == "cpu"
        return images.contiguous(memory_format=torch.channels_last) if quick else images

    def probabilities(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) → probabilities (N, C) in float32."""
        return self.activate(self(images).float())

    def train(self, mode: bool = True) -> Explanandum:
        """Does nothing but keep evaluation mode, so that a trainer's ``train()`` on a parent cannot thaw it."""
        return super().train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Explanandum:
        if requires_grad:
            raise InputError("an Explanandum is frozen; fine-tune the module before it is wrapped.")
        return super().requires_grad_(False)

    @torch.no_grad()
    def _check_outputs(self) -> None:
        preprocessing = self.preprocessing
        size = (1, preprocessing.channels, preprocessing.height, preprocessing.width)
        grey = torch.zeros(size, device=like(self.module).device)
        try:
            logits = self(grey)
        except (RuntimeError, AssertionError, ValueError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"the classifier does not take an image of shape {tuple(grey.shape)} ({type(error).__name__}: "
                f"{' '.join(str(error).split())[:300]}). Give the preprocessing that it was made for: its size, and "
                "one number of mean and std for each channel."
            ) from error
        if not logits.isfinite().all():
            raise InputError("the classifier returns NaN or infinity on a mid-grey image; check its weights.")
