"""Explain many pictures: a folder for each (a few), or shards of masks and receipts (hundreds of thousands).

``manifest`` (what there is, in a fixed order) → ``decoding`` (by workers) → ``shards`` (masks of a thousand pictures)
with ``encode`` → ``job`` (what is left to do), which ``one_machine`` or a ``cluster`` does. ``folders`` is the form for
a few.
"""

import importlib
from typing import TYPE_CHECKING, Any

from explanans.deploy.batch.folders import INDEX, Done, explain_many, folder_name
from explanans.deploy.batch.job_options import Options

if TYPE_CHECKING:
    from explanans.deploy.batch.job import Job, Outcome
    from explanans.deploy.batch.one_machine import explain_shards

# Looked up on first use: a figure of one photo needs no tables, which take a third of a second to import.
_HOMES = {"Job": "job", "Outcome": "job", "explain_shards": "one_machine"}

__all__ = [
    "INDEX",
    "Done",
    "Job",
    "Options",
    "Outcome",
    "explain_many",
    "explain_shards",
    "folder_name",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"explanans.deploy.batch.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'explanans.deploy.batch' has no attribute {name!r}")
