"""A classifier and a method that needs no training, as a way to masks: maps, each cut by asking the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, Self

import torch
from torch import Tensor

from explanans.classifiers.explanandum import Explanandum
from explanans.errors import InputError
from explanans.explanations.batch import Draw, Masker
from explanans.explanations.choice import CALLS, Choice, choose_method
from explanans.explanations.cut import AREAS, EDGES, areas_of, choose_cuts
from explanans.methods import METHODS, Method, make_method
from explanans.methods.base import PairMethod, pairs_of
from explanans.utils.numbers import check_count

ASKED_FOR = "asked for"


class ByMethod(Masker):
    """Maps of a method, cut by :func:`~explanans.explanations.cut.choose_cuts`.

    Args:
        explanandum: the classifier.
        method: a name of :data:`explanans.methods.METHODS`; a method that was made for this classifier, or any callable
            like it; None for the best that the classifier allows, see
            :func:`~explanans.explanations.choice.choose_method`.
        method_options: settings of a method that is given by its name.
        calls: how often a classifier without gradients is asked for each image, where the method is chosen.
        batch_size: masked images in one forward pass.
        seed: of methods that draw at random. It is taken anew for each image, so that a map does not depend on what
            else is in the batch.

    Raises:
        InputError: an unknown method or setting, or one that the classifier does not allow.
    """

    def __init__(
        self,
        explanandum: Explanandum,
        method: str | Method | None = None,
        method_options: Mapping[str, Any] | None = None,
        *,
        calls: int = CALLS,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.explanandum = explanandum
        self.batch_size, self.seed = batch_size, seed
        settings = dict(method_options or {})
        if settings and not isinstance(method, str):
            what = (
                "nobody's: name the method that has them" if method is None else "for a name; this one is made already"
            )
            raise InputError(f"method_options={settings} are {what}.")
        if method is None:
            choice = choose_method(explanandum, check_count("calls", calls), batch_size)
        elif isinstance(method, str):
            choice = Choice(method, settings, ASKED_FOR, make_method(method, explanandum, **settings))
        else:
            choice = Choice(getattr(method, "__name__", type(method).__name__), {}, ASKED_FOR, method)
        self.name, self.settings, self.why, self.method = choice.name, choice.settings, choice.why, choice.method
        self.areas, self.edges = areas_of(self.method), EDGES
        self.asks_often = getattr(self.method, "asks_often", False)
        # What reads layers draws nothing and takes a batch at once; the others get one image after the other.
        self.draws_nothing = self.name in METHODS and "layers" in METHODS[self.name].needs

    def look(self, images: Tensor) -> tuple[Tensor, Draw]:
        images = self.explanandum.laid_out(images)
        whole = self.explanandum.probabilities(images)

        def draw(asked: Tensor) -> Tensor:
            maps = self.maps(images, asked).float()
            return choose_cuts(
                self.explanandum,
                images,
                maps,
                asked,
                whole,
                areas=self.areas,
                edges=self.edges,
                batch_size=self.batch_size,
            )

        return whole, draw

    def questions(self) -> int | None:
        """Images that the classifier is shown for the method's maps of one image; None where nobody knows before."""
        if not isinstance(self.method, PairMethod):
            return None
        return self.method.questions(self.explanandum.preprocessing.height, self.explanandum.preprocessing.width)

    def maps(self, images: Tensor, asked: Tensor) -> Tensor:
        """The method's own maps (P, H, W), before they are cut."""
        if self.draws_nothing:
            return pairs_of(self.method, images, asked)
        maps = [images.new_zeros(0, *images.shape[-2:])]
        for image, row in zip(images.split(1), asked.split(1), strict=True):
            if row.any():
                generator = torch.Generator(images.device).manual_seed(self.seed)
                maps.append(pairs_of(self.method, image, row, generator))
        return torch.cat(maps)

    def whole_evidence(self) -> Self:
        found = copy(self)
        found.areas, found.edges = AREAS, 0.0
        return found

    def identity(self) -> dict[str, Any]:
        cut = "edges" if self.edges else "whole evidence"
        return {
            "method": {"name": self.name, "settings": dict(self.settings), "seed": self.seed, "cut": cut},
            "classifier": self.explanandum.identity(),
        }

    def made_by(self) -> dict[str, Any]:
        return {"method": {"name": self.name, "settings": dict(self.settings), "why": self.why}}
