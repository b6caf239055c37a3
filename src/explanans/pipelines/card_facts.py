"""What a model card says was measured: means of receipts, a row of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanans.benchmark.columns import COLUMNS
from explanans.benchmark.results import Results
from explanans.benchmark.summary_row import Row
from explanans.classifiers.sources import hash_weights
from explanans.deploy.batch import folders, job_record
from explanans.deploy.batch.folders import INDEX
from explanans.deploy.batch.job import PICTURES
from explanans.deploy.batch.job_record import JOB
from explanans.deploy.batch.shards import IMAGES
from explanans.deploy.batch.shards import RECEIPTS as SHARD_RECEIPTS
from explanans.errors import InputError
from explanans.explainers.explainer import Explainer
from explanans.explainers.method import ExplainerMethod
from explanans.explanations.receipt import FILLS
from explanans.utils.records import Kind, read_json, read_parquet

RECEIPTS = "receipts.json"
FIGURES = ("whole", "kept", "removed", "area")
MEASURED = Kind(
    "means of receipts",
    "give a folder that 'explanans explain' wrote",
    {
        "receipts": {**dict.fromkeys(FIGURES, (int, float)), "predicted classes": int},
        "data": {"name": str, "images": int},
        "classifier": {"weights_hash": str},
    },
)
STATUS = pa.schema([IMAGES.field("status")])
SHARES = pa.schema([SHARD_RECEIPTS.field(name) for name in FIGURES])
KINDS = ("explainer", "rtis")
"""Methods of a benchmark that are Explainers."""


def receipt_figures(path: str | Path, explainer: Explainer) -> dict[str, Any]:
    """Means over all masks that have a receipt.

    Args:
        path: a folder that ``explanans explain`` wrote, with a folder for each picture or with shards, or the
            ``receipts.json`` of ``examples/voc2012-animals/receipts.py``.
        explainer: whose receipts they must be.

    Returns:
        ``whole``, ``kept``, ``removed``, ``area``; ``masks``, ``images``, the ``data``'s name, ``fills``.

    Raises:
        InputError: there are none, or they are another's.
    """
    path = Path(path)
    found = [path] if path.is_file() else [path / name for name in (RECEIPTS, INDEX, JOB) if (path / name).is_file()]
    if not found:
        raise InputError(
            f"receipts={path} holds none of {RECEIPTS}, {INDEX}, {JOB}; give a folder that 'explanans explain' wrote."
        )
    file = found[0]
    content = read_json(file, {INDEX: folders.RECORD, JOB: job_record.RECORD}.get(file.name, MEASURED))
    _check(file, content.get("settings", content), explainer)
    if "receipts" in content:
        means, data = content["receipts"], content["data"]
        return {
            **{name: means[name] for name in FIGURES},
            **{"masks": means["predicted classes"], "images": data["images"], "data": data["name"]},
            "fills": list(FILLS),
        }
    if "images" in content:
        good = [entry for entry in content["images"] if entry["failure"] is None]
        made = [each["receipt"] for entry in good for each in entry["classes"] if each["receipt"] is not None]
        rows = np.array([[receipt[name] for name in FIGURES] for receipt in made]).reshape(-1, len(FIGURES))
        return _means(file, rows, len(good), list(made[0]["fills"]) if made else [])
    images, parts = 0, [np.empty((0, len(FIGURES)))]
    for shard in sorted(file.parent.glob("*/*/images.parquet")):
        images += read_parquet(shard, PICTURES, STATUS)["status"].to_pylist().count("ok")
        if (receipts := shard.with_name("receipts.parquet")).is_file():
            table = read_parquet(receipts, PICTURES, SHARES)
            parts.append(np.stack([table[name].to_numpy().astype(float) for name in FIGURES], axis=1))
    return _means(file, np.concatenate(parts), images, list(FILLS))


def benchmark_figures(folder: str | Path, explainer: Explainer, method: str | None = None) -> dict[str, Any]:
    """The Explainer's row of a benchmark: every score that was measured, with its 95 % interval.

    Args:
        folder: what ``explanans benchmark`` wrote.
        explainer: the row is that with its classifier's and its own weights.
        method: the row's name, where the benchmark has other weights of the Explainer on record (one that was written
            by an earlier version of explanans has).

    Returns:
        ``data``, ``images``, ``normalisation``, ``method``, ``same_weights``, and ``scores``: title, mean, low,
        high, and on how many images (some are measured on a few).

    Raises:
        InputError: the classifier or the Explainer was not measured.
    """
    results = Results.open(folder)
    classifier = _classifier(results, explainer)
    records = results.settings["methods"]
    weights = hash_weights(ExplainerMethod(explainer.explanandum, explainer))
    explainers = [name for name, record in records.items() if record["method"] in KINDS]
    own = [name for name in explainers if records[name]["weights"][classifier] == weights]
    if method is not None and method not in records:
        raise InputError(f"method={method!r} was not measured in {folder}; it has {', '.join(records)}.")
    if method is None and not own:
        raise InputError(
            f"benchmark={folder} has no row with this Explainer's weights; measure it, or name its row with --method "
            f"if you know it: {', '.join(explainers) or 'it has no Explainer'}."
        )
    chosen = method or own[0]
    rows = results.summary(*_measured(results, classifier, chosen), classifier=classifier)
    mine = [row for row in rows if row.method == chosen]
    if not mine:
        raise InputError(f"benchmark={folder}: nothing is measured yet of {chosen!r}; let the benchmark go on.")
    data, row = results.settings["data"], mine[0]
    return {
        "data": data["name"] if data["split"] in data["name"] else f"{data['name']}/{data['split']}",
        "images": row.images,
        "normalisation": row.normalisation,
        "method": chosen,
        "same_weights": chosen in own,
        "scores": _scores(row),
    }


def _check(file: Path, record: Mapping[str, Any], explainer: Explainer) -> None:
    """Raises InputError where the receipts are of another classifier, or (where that is on record) another network."""
    identities = [explainer.identity(), explainer.folded().identity()]
    if record["classifier"]["weights_hash"] != explainer.explanandum.weights_hash:
        raise InputError(f"receipts: {file} is of another classifier than the Explainer's; make them with this one.")
    networks = [each["explainer"]["weights_hash"] for each in identities]
    if "explainer" in record and record["explainer"]["weights_hash"] not in networks:
        raise InputError(f"receipts: {file} is of another Explainer; make them with this one.")


def _means(file: Path, rows: NDArray[np.float64], images: int, fills: list[str]) -> dict[str, Any]:
    """``rows``: (masks, FIGURES)."""
    if not len(rows):
        raise InputError(f"receipts: {file} has masks without receipts; run 'explanans explain' with --receipts.")
    means = dict(zip(FIGURES, rows.mean(0).tolist(), strict=True))
    return {**means, "masks": len(rows), "images": images, "data": file.resolve().parent.name, "fills": fills}


def _classifier(results: Results, explainer: Explainer) -> str:
    for name, identity in results.settings["classifiers"].items():
        if identity["weights_hash"] == explainer.explanandum.weights_hash:
            return name
    raise InputError(
        f"benchmark={results.folder} measured {', '.join(results.classifiers)}, none with the weights of the "
        "Explainer's classifier; give a benchmark of that one."
    )


def _measured(results: Results, classifier: str, method: str) -> list[str]:
    """Scores that were asked for, and have a value for some image."""
    return [name for name in COLUMNS if len(results.values(name, classifier, method)[1])]


def _scores(row: Row) -> dict[str, Any]:
    return {
        name: {
            "title": COLUMNS[name].heading,
            "mean": row.mean[name],
            "low": row.low[name],
            "high": row.high[name],
            "images": row.scored[name],
        }
        for name in COLUMNS
        if name in row.mean
    }
