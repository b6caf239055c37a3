"""An Explainer in a folder and on the Hugging Face hub: save, load, publish."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from pathlib import Path
from types import NoneType
from typing import Any, Self

import torch
from huggingface_hub import ModelCard, ModelHubMixin
from torch import Tensor, nn

from explanans.classifiers import sources
from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explainers import hub
from explanans.explainers.model_card import CARD, renewed, without_text, write_card
from explanans.explainers.refining import LARGEST
from explanans.ops.edge_cut import FARTHEST
from explanans.utils.files import atomic_file
from explanans.utils.numbers import check_flag, check_number
from explanans.utils.records import reading

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CLASSIFIER = "classifier"
DESCRIBED = sources.described(
    "Explainer",
    {
        "mask_network": (str, NoneType),
        "classifier": {"weights_hash": str, "classes": [str], "activation": str, "preprocessing": dict},
        "facts": dict,
    },
)
SAVED = [CONFIG, WEIGHTS, CARD, f"{CLASSIFIER}/*"]


class Saved(nn.Module, ModelHubMixin, library_name="explanans", tags=["explainability"]):
    """What an Explainer can do with folders and the hub."""

    explanandum: Explanandum
    network: nn.Module
    network_name: str | None
    scale: Tensor
    shift: Tensor
    reach: float
    refine: float
    compete: bool
    facts: dict[str, Any]
    card: str | None

    @property
    def trunk_layers(self) -> list[str] | None:
        """Names of the classifier's layers that the mask network reads; None for one that reads the image."""
        raise NotImplementedError

    def calibrate(
        self, scale: float, shift: float, reach: float = 0.0, refine: float = 0.0, compete: bool = False
    ) -> None:
        """Set what ``head_logits`` multiplies by and adds, and how masks that are asked for follow their picture.

        See :func:`explanans.ops.edge_cut.moved_to_edges` for ``reach``, from 0 to 12, and for ``refine``, from 0 to 4,
        :class:`explanans.explainers.refining.Refinement`; for ``compete``, which comes before them,
        :func:`explanans.ops.contest.contested`.

        Raises:
            InputError: one that is not finite or beyond its bounds; nothing is set then.
        """
        scale, shift = check_number("calibration.scale", scale, -inf), check_number("calibration.shift", shift, -inf)
        reach = check_number("calibration.reach", reach, 0, FARTHEST)
        refine = check_number("calibration.refine", refine, 0, LARGEST)
        check_flag("calibration.compete", compete)
        self.scale.fill_(scale)
        self.shift.fill_(shift)
        self.reach, self.refine, self.compete = reach, refine, compete

    def config(self) -> dict[str, Any]:
        """What ``config.json`` says: network, classifier, calibration, facts."""
        layers = self.trunk_layers
        return {
            "mask_network": self.network_name,
            **({} if layers is None else {"layers": layers}),
            "classifier": self.explanandum.identity(),
            "calibration": {
                "scale": float(self.scale),
                "shift": float(self.shift),
                "reach": self.reach,
                "refine": self.refine,
                "compete": self.compete,
            },
            "facts": self.facts,
        }

    def generate_model_card(self, *, where: str | None = None) -> ModelCard:
        """The model card (:func:`explanans.explainers.model_card.write_card`); ``where`` is OWNER/NAME on the hub."""
        return ModelCard(write_card(self.config(), where), ignore_metadata_errors=False)

    def save_pretrained(
        self, save_directory: str | Path, *, overwrite_card: bool = False, **options: Any
    ) -> str | None:
        """Save weights, description, classifier (where its source is known) and a model card.

        A card whose text a person edited stays, and what a person added to the metadata of another (a licence) is kept;
        both go along when an Explainer that was loaded is saved elsewhere.

        Args:
            save_directory: a folder; an Explainer that lies there is replaced.
            overwrite_card: write the text anew even where a person edited it; metadata that were added stay.
            options: of :meth:`huggingface_hub.ModelHubMixin.save_pretrained`.

        Returns:
            the commit's address with ``push_to_hub=True``.
        """
        path = Path(save_directory) / CARD
        card = str(self.generate_model_card(**(options.get("model_card_kwargs") or {})))
        for old in (self.card, path.read_text(encoding="utf-8") if path.is_file() else None):
            card = renewed(card, without_text(old) if overwrite_card else old)
        with atomic_file(path) as temporary:
            temporary.write_text(card, encoding="utf-8")
        if options.get("push_to_hub"):
            options["overwrite_card"] = overwrite_card
        return super().save_pretrained(save_directory, **options)

    def push_to_hub(self, repo_id: str, *, overwrite_card: bool = False, **options: Any) -> str:
        """Publish what :meth:`save_pretrained` writes on the Hugging Face hub, in one commit.

        The card there stays where a person edited it, as in :meth:`save_pretrained`.

        Args:
            repo_id: OWNER/NAME; made if it is not there.
            overwrite_card: write the text anew even where a person edited it; metadata that were added stay.
            options: of :meth:`huggingface_hub.ModelHubMixin.push_to_hub` (``private``, ``token``, ``branch``, …).

        Returns:
            the commit's address.

        Raises:
            InputError: no leave to write there, or not a name.
        """
        own = self.card
        with hub.pushing(repo_id):
            there = hub.published_text(repo_id, CARD, revision=options.get("branch"), token=options.get("token"))
            known = [without_text(card) if overwrite_card else card for card in (own, there)]
            self.card = renewed(known[0], known[1]) if known[0] else known[1]
            try:
                options["model_card_kwargs"] = {"where": repo_id, **(options.get("model_card_kwargs") or {})}
                return super().push_to_hub(repo_id, **options)
            finally:
                self.card = own

    def _save_pretrained(self, save_directory: Path) -> None:
        if self.explanandum.source is not None:
            self.explanandum.save(save_directory / CLASSIFIER)
        # Last, because a folder without its configuration is refused: one that was interrupted is never half loaded.
        sources.save_state(self.network, self.config(), save_directory, CONFIG)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        explanandum: Explanandum | None = None,
        network: nn.Module | None = None,
        allow_other_classifier: bool = False,
        trust_factory: bool = False,
        **options: Any,
    ) -> Self:
        """Load what :meth:`save_pretrained` wrote or :meth:`push_to_hub` published, in evaluation mode.

        Args:
            pretrained_model_name_or_path: a folder, or a name on the Hugging Face hub, OWNER/NAME.
            explanandum: the classifier that it explains, where it was not saved with it.
            network: the mask network, where it was a module of your own; it gets the weights.
            allow_other_classifier: take an ``explanandum`` that is not the one it was trained for.
            trust_factory: run code that the saved classifier names or holds; see :meth:`Explanandum.load`.
            options: ``revision`` (a branch, a tag or a commit's hash), ``token``, ``cache_dir``, ``force_download``,
                ``local_files_only``: for the hub, see :func:`explanans.explainers.hub.fetch`.

        Raises:
            InputError: nothing there, damaged files, another classifier.
        """
        hub.check_options(options)
        name = str(pretrained_model_name_or_path)
        unknown = sorted(set(options) - set(hub.OPTIONS))
        if unknown:
            raise InputError(f"Explainer.from_pretrained: unknown arguments {unknown}.")
        folder = Path(name) if Path(name).is_dir() else hub.fetch(name, SAVED, **options)
        config = sources.read_config(folder, CONFIG, DESCRIBED, "Explainer.save_pretrained")
        explanandum = _matching_classifier(
            folder, config["classifier"], explanandum, allow_other_classifier, trust_factory
        )
        if network is None and config["mask_network"] is None:
            raise InputError(f"{folder} was saved with a network of your own; pass network=MODULE to load it.")
        # The weights that are drawn are replaced, and the caller's random numbers are none of ours.
        with torch.random.fork_rng(devices=[]):
            explainer = cls(explanandum, network or config["mask_network"], encoder_weights=None)
        _require_layers(folder, config.get("layers"), explainer.trunk_layers)
        sources.load_weights(explainer.network, folder / WEIGHTS)
        explainer.network_name = config["mask_network"]
        with reading(folder / CONFIG, DESCRIBED):
            # Those saved by an earlier version have none.
            calibration = config.get("calibration", {"scale": 1.0, "shift": 0.0})
            moved = {name: calibration.get(name, 0.0) for name in ("reach", "refine")}
            compete = calibration.get("compete", False)
            explainer.calibrate(calibration["scale"], calibration["shift"], **moved, compete=compete)
        explainer.facts = config["facts"]
        if (folder / CARD).is_file():
            explainer.card = (folder / CARD).read_text(encoding="utf-8")
        return explainer.eval()


def _require_layers(folder: Path, saved: list[str] | None, own: list[str] | None) -> None:
    """Layers are found anew when a head is built; others of the same widths would take its weights and mean nothing."""
    if saved is not None and saved != own:
        raise InputError(
            f"{folder}: the head was trained on the layers {saved} of the classifier, but here it would read {own}; "
            "take the versions of explanans and of the classifier's library that it was trained with, or train again."
        )


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
