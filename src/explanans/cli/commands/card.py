"""Write the model card (README.md) of a saved Explainer, with what was measured of it.

A card whose text a person edited stays as it is, unless --overwrite is given; a licence and whatever else a person
added to the metadata at its top is kept in any case. The figures are saved with the Explainer too, so that it keeps
them wherever it is saved or pushed to.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from explanans.classifiers import sources
from explanans.cli.output import say
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.model_card import CARD, is_edited, renewed, without_text, write_card
from explanans.explainers.saving import CONFIG, DESCRIBED
from explanans.pipelines.card_facts import benchmark_figures, receipt_figures
from explanans.utils.files import atomic_file
from explanans.utils.records import reading


def run(
    explainer: str,
    receipts: str | None = None,
    benchmark: str | None = None,
    method: str | None = None,
    name: str | None = None,
    overwrite: bool = False,
    trust_factory: bool = False,
) -> int:
    """Write it.

    Args:
        explainer: folder of a saved Explainer.
        receipts: what explanans explain wrote; the means of its receipts go onto the card.
        benchmark: folder of a benchmark that measured this Explainer; its row goes onto the card.
        method: the row's name, where the benchmark has other weights on record.
        name: OWNER/NAME, where the Explainer will be on the Hugging Face hub.
        overwrite: write the card anew even where a person edited its text.
        trust_factory: run the code that the saved classifier names as its architecture.
    """
    folder = Path(explainer)
    if not folder.is_dir():
        raise InputError(f"explainer: {explainer} is no folder; give one that 'explanans fit' saved.")
    config = sources.read_config(folder, CONFIG, DESCRIBED, "Explainer.save_pretrained")
    if receipts is not None or benchmark is not None:
        loaded = Explainer.from_pretrained(folder, trust_factory=trust_factory)
        if receipts is not None:
            config["facts"]["receipts"] = receipt_figures(receipts, loaded)
        if benchmark is not None:
            config["facts"]["benchmark"] = benchmark_figures(benchmark, loaded, method)
        with atomic_file(folder / CONFIG) as temporary:
            temporary.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    path = folder / CARD
    old = path.read_text(encoding="utf-8") if path.is_file() else None
    if old is not None and is_edited(old) and not overwrite:
        say(f"{path} was edited and stays as it is; --overwrite writes it anew.", sys.stderr)
        return 0
    with reading(folder / CONFIG, DESCRIBED):
        text = renewed(write_card(config, name), without_text(old) if overwrite else old)
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    say(f"card in {path}")
    return 0
