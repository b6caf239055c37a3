"""All suspicions about all classes, from their samples and ways."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from explanans.audit.suspects.contexts import context_suspects, outside_suspects
from explanans.audit.suspects.interventions import PROBES, Interventions
from explanans.audit.suspects.lookalikes import lookalike_suspects, usual_likeness
from explanans.audit.suspects.patterns import pattern_in, pattern_suspects
from explanans.audit.suspects.same_place import place_suspects
from explanans.audit.suspects.same_thing import elsewhere, thing_suspects
from explanans.audit.suspects.shared_evidence import shared_suspects, unheld_suspects
from explanans.audit.suspects.suspect import Suspect, ranked
from explanans.audit.suspects.tints import tint_suspects
from explanans.audit.ways import Way

OTHERS = 2000
"""Rows of other classes that a class is compared with, at most."""


def find_suspects(
    asked: Interventions,
    samples: list[pa.Table],
    ways: list[list[Way]],
    *,
    seed: int = 0,
    told: Callable[[int, int], None] | None = None,
) -> list[Suspect]:
    """Ranked.

    Args:
        asked: the classifier and its photos.
        samples: rows of each class in which it is seen, see :func:`explanans.audit.samples.draw`.
        ways: of each class.
        seed: decides which photos of other classes are taken.
        told: is told (classes done, of how many).
    """
    classes = asked.explanandum.classes
    free = _without(asked, samples, seed)
    usual = usual_likeness(samples)
    columns = {name: column for column, name in enumerate(classes)}
    found: list[Suspect] = []
    for column, rows in enumerate(samples):
        if len(rows):
            others = _others(samples, column)
            targets = free[classes[column]]
            pattern = pattern_in(asked, rows, targets)
            places = place_suspects(asked, column, rows, others, targets, pattern)
            things = thing_suspects(asked, column, rows, others, targets)
            found += [*places, *(thing for thing in things if elsewhere(thing, places))]
            found += lookalike_suspects(asked, column, rows, ways[column], usual, targets)
            if asked.photos.located:
                found += context_suspects(
                    asked, column, classes[column], *_with_and_without(asked, rows, targets, column, seed)
                )
                found += outside_suspects(asked, column, rows, targets)
            found += tint_suspects(asked, column, rows, targets)
            found += pattern_suspects(asked, column, rows, targets, pattern)
            found += shared_suspects(asked, rows, columns, free)
            found += unheld_suspects(rows)
        if told is not None:
            told(column + 1, len(classes))
    return ranked(found)


def _without(asked: Interventions, samples: list[pa.Table], seed: int) -> dict[str, list[int]]:
    """For each class photos with another class, in which it is neither seen nor labelled, in random order."""
    photos = sorted({index for rows in samples for index in rows["index"].to_pylist()})
    order = np.random.default_rng(seed).permutation(photos).tolist()
    free = {}
    for column, name in enumerate(asked.explanandum.classes):
        taken = set(samples[column]["index"].to_pylist())
        labels = asked.photos.data.labels[:, column] if asked.photos.labelled else None
        rest = [index for index in order if index not in taken and (labels is None or not labels[index])]
        free[name] = _unseen(asked, rest[: 2 * PROBES], column)[:PROBES]
    return free


def _with_and_without(
    asked: Interventions, rows: pa.Table, targets: list[int], column: int, seed: int
) -> tuple[list[int], list[int]]:
    """Photos with the class and without it, by their labels; by what is seen where there are none."""
    if not asked.photos.labelled:
        return rows["index"].to_pylist(), targets
    labels = asked.photos.data.labels[:, column].bool()
    usable = [index for index in range(len(labels)) if index not in asked.left_out]
    order = np.random.default_rng(seed).permutation(usable).tolist()
    having, lacking = ([index for index in order if bool(labels[index]) == there] for there in (True, False))
    return having[: 2 * PROBES], lacking[: 2 * PROBES]


def _unseen(asked: Interventions, indices: list[int], column: int) -> list[int]:
    """A sample does not say of every photo what is seen in it."""
    if not indices:
        return []
    seen = asked.sees(asked.images(indices), column).tolist()
    return [index for index, there in zip(indices, seen, strict=True) if not there]


def _others(samples: list[pa.Table], column: int) -> pa.Table:
    """Rows of the other classes, as many of each as there is room for."""
    rest = [rows for number, rows in enumerate(samples) if number != column and len(rows)]
    if not rest:
        return samples[column].slice(0, 0)
    most = max(1, OTHERS // len(rest))
    return pa.concat_tables([rows.slice(0, most) for rows in rest]).combine_chunks()
