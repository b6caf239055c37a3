"""Who explains, by a name that every machine understands: a trained Explainer, or a classifier with a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explanans.classifiers import sources
from explanans.classifiers.explanandum import Activation, Explanandum
from explanans.errors import InputError
from explanans.explainers import hub, saving
from explanans.explainers.explainer import Explainer
from explanans.explanations.batch import Masker
from explanans.explanations.choice import CALLS
from explanans.explanations.explain import masker_of
from explanans.images.preprocessing import Preprocessing
from explanans.utils.paths import near_path

LIBRARIES = ("timm", "torchvision")
"""Sources of classifiers that are easily taken for owners on the hub."""


@dataclass(frozen=True)
class Named:
    """How to load who explains.

    Attributes:
        name: a classifier: ``timm:NAME``, ``torchvision:NAME``, ``hf:NAME``, ``onnx:FILE``, a saved folder, … (see
            docs/classifiers.md and :meth:`explanans.Explanandum.load`). Or a trained Explainer: its folder, or its name
            on the Hugging Face hub.
        method: how a classifier is explained: spread_cam, grad_cam, rise, … (docs/methods.md); None for the best that
            it allows without training. With an Explainer's name, the method explains its classifier.
        method_options: settings of the method, such as ``{layer: layer3}``.
        calls: how often a classifier without gradients is asked for each picture.
        classes: the classifier's, where it does not know them: a file with one per line, or ``a,b,c``.
        activation: "sigmoid" (multi-label) or "softmax" (single-label), where the classifier does not know it.
        preprocessing: the classifier's input, where it does not know it: size, mean, std.
        weights: file with the classifier's weights; None for those that come with its name.
        trust_factory: run code that comes with the saved classifier: a factory, a function, a program.
        batch_size: pictures, and masked ones, in one forward pass; less needs less memory.
        whole_evidence: masks hold all that the class goes by, rather than end where the picture's things do; what an
            audit looks at.
    """

    name: str
    method: str | None = None
    method_options: Mapping[str, Any] = field(default_factory=dict)
    calls: int = CALLS
    classes: Sequence[str] | str | Path | None = None
    activation: Activation | None = None
    preprocessing: Preprocessing | None = None
    weights: str | None = None
    trust_factory: bool = False
    batch_size: int = 16
    whole_evidence: bool = False

    def load(self) -> Masker:
        """In evaluation mode; an Explainer with its batch norms folded.

        Raises:
            InputError: nothing of that name, a folder that holds neither, or a setting that does not belong to it.
        """
        found = self._explainer() if self.is_explainer() else self._classifier()
        made = masker_of(found, self.method, self.method_options, calls=self.calls, batch_size=self.batch_size)
        made = made.folded() if isinstance(made, Explainer) else made.eval()
        return made.whole_evidence() if self.whole_evidence else made

    def is_explainer(self) -> bool:
        """Whether the name is that of a trained Explainer."""
        path = Path(self.name)
        if not path.is_dir():
            return self._is_on_the_hub(path)
        if (path / saving.CONFIG).is_file():
            return True
        inner = [each.parent for name in (saving.CONFIG, sources.CONFIG) for each in sorted(path.glob(f"*/{name}"))]
        if inner and not (path / sources.CONFIG).is_file():
            raise InputError(f"{self.name} holds no network itself; did you mean {' or '.join(map(str, inner))}?")
        return False

    def _is_on_the_hub(self, path: Path) -> bool:
        if hub.NAME.fullmatch(self.name) is None or path.exists():
            return False
        # The hub would be asked about a mistyped folder for as long as there is no network.
        if path.parent.is_dir():
            raise InputError(f"{self.name} is no folder{near_path(path)}, but {path.parent} is one.")
        return True

    def _classifier(self) -> Explanandum:
        return Explanandum.load(
            self.name,
            classes=self.classes,
            activation=self.activation,
            preprocessing=self.preprocessing,
            weights=self.weights,
            trust_factory=self.trust_factory,
        )

    def _explainer(self) -> Explainer:
        given = {
            "classes": self.classes,
            "activation": self.activation,
            "preprocessing": self.preprocessing,
            "weights": self.weights,
        }
        if wrong := [name for name, value in given.items() if value is not None]:
            owner, _, name = self.name.partition("/")
            library = owner in LIBRARIES and not Path(self.name).is_dir()
            meant = f" (did you mean {f'{owner}:{name}'!r}, a classifier?)" if library else ""
            raise InputError(
                f"{self.name} is a trained Explainer{meant}, which knows its {', '.join(wrong)}; leave that out."
            )
        return Explainer.from_pretrained(self.name, trust_factory=self.trust_factory)
