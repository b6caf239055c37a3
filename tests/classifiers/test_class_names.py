from __future__ import annotations

from pathlib import Path

import pytest

from explanans.classifiers.class_names import read_classes
from explanans.errors import InputError


def test_names_in_every_form(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\ufeffcat\n\n dog \n")
    assert read_classes(tmp_path / "classes.txt") == read_classes("cat, dog,") == read_classes(["cat", "dog"])
    assert read_classes(["cat", "dog"]) == ("cat", "dog")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ([], "empty"),
        ("", "empty"),
        ("classes.txt", "'classes.txt' is no file"),
        ("a,b,a", r"\['a'\] occur twice"),
        (["\udce9"], "no text in UTF-8"),
    ],
)
@pytest.mark.bad_input
def test_names_that_are_none(given: object, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_classes(given)  # type: ignore[arg-type]
