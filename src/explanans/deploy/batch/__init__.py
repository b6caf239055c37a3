"""Explain many pictures: a folder for each (a few), or shards of masks and receipts (hundreds of thousands).

``inputs`` → ``manifest`` (what there is, in a fixed order) → ``loading`` (decoded by workers) → ``shards`` (masks of a
thousand pictures) with ``encode`` → ``job`` (what is left to do). ``folders`` is the form for a few.
"""

from explanans.deploy.batch.folders import INDEX, Done, explain_many, folder_name
from explanans.deploy.batch.job import Job, Outcome, explain_shards
from explanans.deploy.batch.shards import Options

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
