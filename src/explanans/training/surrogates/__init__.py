"""Black boxes: what a network that stands in for one is trained on, and how well it does.

``queries`` (which pictures the box is shown) → ``answers`` (what it said, kept) → ``training.fit_surrogate`` →
``fidelity`` (how well it agrees where it was not trained) → ``stand_in`` (taken for its box and no other).
"""

from explanans.training.surrogates.answers import Answers
from explanans.training.surrogates.fidelity import Agreement, Fidelity, Limits, agreement_of
from explanans.training.surrogates.queries import Queries, batches
from explanans.training.surrogates.stand_in import load_surrogate

__all__ = ["Agreement", "Answers", "Fidelity", "Limits", "Queries", "agreement_of", "batches", "load_surrogate"]
