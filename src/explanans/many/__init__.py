"""Explain many pictures: a folder for each (a few), or shards of masks and receipts (hundreds of thousands).

``inputs`` → ``manifest`` (what there is, in a fixed order) → ``loading`` (decoded by workers) → ``shards`` (masks of a
thousand pictures) with ``encode`` → ``job`` (what is left to do). ``folders`` is the form for a few.
"""

from explanans.many.folders import INDEX, Done, explain_many, find_pictures, folder_name
from explanans.many.job import Job, Outcome, explain_shards
from explanans.many.shards import Options

__all__ = [
    "INDEX",
    "Done",
    "Job",
    "Options",
    "Outcome",
    "explain_many",
    "explain_shards",
    "find_pictures",
    "folder_name",
]
