"""The model card of a saved Explainer, README.md: what it explains, how to load it, what was measured."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from explanans.errors import InputError
from explanans.version import __version__

CARD = "README.md"
TAGS = ("explainability", "attribution", "saliency", "image-classification")

_SEAL = re.compile(r"\n<!-- written by explanans ([0-9a-f]{16}); .*-->\Z")
_UPSTREAM = "This model has been pushed to the Hub using the [PytorchModelHubMixin]"
"""How the card began that earlier versions left to huggingface_hub; it says nothing."""

SHOWN = 100


def write_card(config: Mapping[str, Any], where: str | None = None) -> str:
    """Markdown with YAML metadata as the Hugging Face hub reads it; no licence, which is the user's to choose.

    Args:
        config: ``config.json`` of a saved Explainer. Of its facts, ``receipts`` and ``benchmark`` are what
            :mod:`explanans.pipelines.card_facts` makes of measurements.
        where: OWNER/NAME on the hub, if it has one.
    """
    facts, classifier = config["facts"], config["classifier"]
    benchmark, receipts = facts.get("benchmark"), facts.get("receipts")
    metadata: dict[str, Any] = {"library_name": "explanans", "tags": list(TAGS)}
    if benchmark:
        metadata["model-index"] = [_index(benchmark, (where or "Explainer").rpartition("/")[2])]
    parts = [
        f"# Explainer of {_code(_spec(classifier))}",
        "A second network that predicts for a frozen image classifier which pixels speak for which class: a mask for "
        f"each of its {len(classifier['classes'])} classes, in one forward pass.",
        "## Load it",
        f"```python\n{_loading(config, where)}\n```",
        "## The classifier that it explains",
        _classifier(classifier),
        "## Classes",
        _classes(classifier["classes"]),
        "## How it was trained",
        _training(config),
    ]
    if receipts:
        parts += ["## Receipts", _receipts(receipts)]
    if benchmark:
        parts += ["## Benchmark", _benchmark(benchmark)]
    if verdict := facts.get("verdict"):
        parts += ["## Beside what needs no training", _verdict(verdict)]
    if not receipts and not benchmark and not verdict:
        parts += ["## What it is worth", "Not measured yet: no receipts and no benchmark were given."]
    return sealed(_join(metadata, "\n\n".join(parts)))


def sealed(card: str) -> str:
    """The card with a last line by which :func:`is_edited` sees whether somebody wrote in it."""
    _, body = split(card)
    remark = "text that was edited is never replaced, and neither is a licence above"
    return f"{card.rstrip()}\n\n<!-- written by explanans {_digest(body)}; {remark} -->\n"


def is_edited(card: str) -> bool:
    """Whether its text, below the metadata, is a person's own."""
    _, body = split("\n".join(card.splitlines()))
    body = body.rstrip()
    if not body.strip() or body.lstrip().startswith(_UPSTREAM):
        return False
    seal = _SEAL.search(body)
    return seal is None or seal[1] != _digest(body[: seal.start()])


def renewed(fresh: str, old: str | None) -> str:
    """``fresh`` in place of ``old``, with the metadata (a licence, languages, …) that a person added to it.

    Where a person wrote in the text of ``old``, all of ``old`` stays as it is.
    """
    if old is None:
        return fresh
    if is_edited(old):
        return old
    theirs, _ = split(old)
    ours, body = split(fresh)
    # Of a card that huggingface_hub wrote these are the same names; what is measured is always ours.
    kept = {name: value for name, value in theirs.items() if name not in ("model-index", "library_name")}
    tags = [*dict.fromkeys([*ours.get("tags", []), *(kept.pop("tags", None) or [])])]
    return _join({**ours, **kept, **({"tags": tags} if tags else {})}, body)


def without_text(card: str | None) -> str | None:
    """The metadata alone: for :func:`renewed`, where even an edited text shall go."""
    return None if card is None else _join(split(card)[0], "")


def split(card: str) -> tuple[dict[str, Any], str]:
    """Metadata and text.

    Raises:
        InputError: the metadata is no YAML mapping.
    """
    match = re.match(r"---[ \t]*\r?\n(.*?)^---[ \t]*\r?\n?", card, re.DOTALL | re.MULTILINE)
    if match is None:
        return {}, card
    try:
        metadata = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise InputError(f"{CARD}: the metadata between the lines --- is no YAML ({error}); mend it.") from error
    if metadata is not None and not isinstance(metadata, dict):
        raise InputError(f"{CARD}: the metadata between the lines --- is no mapping; write lines such as license: mit.")
    return metadata or {}, card[match.end() :]


def _join(metadata: Mapping[str, Any], body: str) -> str:
    head = yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n{body.lstrip()}"


def _digest(body: str) -> str:
    # Editors change the ends of lines and files; nobody means anything by it.
    plain = "\n".join(line.rstrip() for line in body.strip().splitlines())
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def _spec(classifier: Mapping[str, Any]) -> str:
    source = classifier["source"]
    return "a module in hand" if source is None else str(source["spec"])


def _loading(config: Mapping[str, Any], where: str | None) -> str:
    lacking = [
        *(["explanandum=YOUR_CLASSIFIER"] if config["classifier"]["source"] is None else []),
        *(["network=YOUR_NETWORK"] if config["mask_network"] is None else []),
    ]
    arguments = ", ".join([repr(where or "FOLDER").replace("'", '"'), *lacking])
    hint = "" if where else "  # or OWNER/NAME on the Hugging Face hub"
    return (
        f"from explanans import Explainer\n\nexplainer = Explainer.from_pretrained({arguments}){hint}\n"
        'explanation = explainer.explain("photo.jpg")  # the classes it sees: a mask and a receipt for each\n'
        "for found in explanation:\n"
        "    print(found.name, found.probability, found.receipt)"
    )


def _classifier(identity: Mapping[str, Any]) -> str:
    how = identity["preprocessing"]
    height, width = how["size"]
    channels = len(how["mean"])
    return _bullets(
        {
            "source": _code(_spec(identity)),
            "SHA-256 of its weights": _code(identity["weights_hash"]),
            "activation": identity["activation"],
            "input": f"{channels} channel{'s' * (channels > 1)}, {height} × {width} pixels, {how['interpolation']}; "
            f"mean {list(how['mean'])}, standard deviation {list(how['std'])}",
        }
    )


def _classes(names: Sequence[str]) -> str:
    shown = ", ".join(_code(name) for name in names[:SHOWN])
    rest = len(names) - SHOWN
    return shown if rest <= 0 else f"{shown} and {rest} more; `config.json` has all of them."


def _training(config: Mapping[str, Any]) -> str:
    facts = config["facts"]
    objective, data = facts.get("objective"), facts.get("data")
    lines = {"mask network": _code(config["mask_network"] or "a module of its own")}
    if isinstance(objective, Mapping):
        lines["objective"] = _code(str(objective["name"]))
    if isinstance(data, Mapping):
        lines |= {
            name: f"{_code(str(each['name']))}, {each['images']:,} images"
            for name, each in data.items()
            if isinstance(each, Mapping) and {"name", "images"} <= set(each)
        }
    if "seed" in facts:
        lines["seed"] = str(facts["seed"])
    return _bullets(lines) + f"\n\nSettings in full are in `config.json`. explanans {__version__}, Apache-2.0."


def _receipts(facts: Mapping[str, Any]) -> str:
    rows = [("probability, whole image", "whole"), ("probability, what the masks keep", "kept")]
    rows += [("probability, what they remove", "removed"), ("area of the masks", "area")]
    table = _table(["mean", ""], [[title, f"{facts[name]:.3f}"] for title, name in rows])
    fills = facts.get("fills")
    hidden = f"; what is hidden is filled by {' and by '.join(fills)}, and the worst answer counts" if fills else ""
    return f"{table}\n\nOver {facts['masks']:,} masks of {facts['images']:,} images of {_code(facts['data'])}{hidden}."


def _verdict(facts: Mapping[str, Any]) -> str:
    figures = {"score": "score ↑", "kept": "kept ↑", "removed": "removed ↓", "area": "area", "grid": "GridPG ↑"}
    # Verdicts of earlier versions knew no objects.
    if facts.get("drawn"):
        figures = {"iou": "IoU ↑", **figures}
    rows = [
        [name, *("–" if row[figure] is None else f"{row[figure]:.3f}" for figure in figures)]
        for name, row in facts["rows"].items()
    ]
    drawn = f"{facts['drawn']:,} of them of drawn objects" if facts.get("drawn") else "without segmentations"
    about = f"{facts['masks']:,} masks on {facts['pictures']:,} held-out images of {_code(facts['data'])}"
    return f"{facts['says']}\n\n{_table(['masks by', *figures.values()], rows)}\n\n{about}, {drawn}."


def _benchmark(facts: Mapping[str, Any]) -> str:
    rows = [
        [each["title"], f"{each['mean']:.3f}", f"{each['low']:.3f} … {each['high']:.3f}", f"{each['images']:,}"]
        for each in facts["scores"].values()
    ]
    about = f"{facts['images']:,} images of {_code(facts['data'])}, masks {facts['normalisation']}"
    made = "" if facts["same_weights"] else " The benchmark recorded other weights; a person named this row."
    arrows = "↑ more, ↓ less is better; intervals are 95 % bootstrap intervals over the images."
    return f"{_table(['score', 'mean', '95 %', 'images'], rows)}\n\n{about}. {arrows}{made}"


def _index(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    metrics = [
        {"type": metric, "name": each["title"].rstrip(" ↑↓"), "value": each["mean"]}
        for metric, each in facts["scores"].items()
        # The hub has no place for the number of images, and a mean over a few is no result.
        if each["images"] == facts["images"]
    ]
    task = {"type": "image-attribution", "name": "Class masks of an image classifier"}
    data = {"type": re.sub(r"[^a-z0-9]+", "-", facts["data"].lower()).strip("-"), "name": facts["data"]}
    return {"name": name, "results": [{"task": task, "dataset": data, "metrics": metrics}]}


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def _bullets(lines: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())


def _code(text: str) -> str:
    # A name may hold backticks, which end a code span of one.
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
