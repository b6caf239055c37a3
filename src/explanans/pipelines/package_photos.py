"""The photos that come with the package, and whom they are owed to."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable


@dataclass(frozen=True)
class Photo:
    """A photo that comes with the package, and whom it is owed to.

    Attributes:
        file: the JPEG.
        label: what ImageNet calls it.
        author, author_url, source, licence: the credit.
    """

    file: Traversable
    label: str
    author: str
    author_url: str
    source: str
    licence: str

    @property
    def credit(self) -> str:
        return f"{self.author}, {self.source}, {self.licence}, resized and cropped"


def photos() -> list[Photo]:
    """The photos of the package, in the order of their table."""
    folder = resources.files("explanans.pipelines") / "photos"
    rows = csv.DictReader((folder / "photos.csv").read_text(encoding="utf-8").splitlines())
    return [Photo(folder / row.pop("image"), **row) for row in rows]
