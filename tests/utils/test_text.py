from __future__ import annotations

import os

import pytest

from explanans.utils.text import did_you_mean, few, path_bytes, path_text, printable, shortened, shown


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("striped star", "striped star"),
        ("Größe – 犬　👩‍🔬", "Größe – 犬　👩‍🔬"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("over\rwritten", r"over\x0dwritten"),
        ("\x9b2J", r"\x9b2J"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("a\u2028b", r"a\u2028b"),
        (os.fsdecode(b"caf\xe9.jpg"), r"caf\xe9.jpg"),
        ("\ud800", r"\ud800"),
    ],
)
def test_names_are_safe_to_show(text: str, safe: str) -> None:
    assert shown(text) == safe
    shown(text).encode("utf-8")


def test_what_was_meant() -> None:
    known = ["grad_cam", "occlusion"]
    assert did_you_mean("gard_cam", known) == " (did you mean 'grad_cam'?)"
    assert did_you_mean("Grad-CAM", known) == " (did you mean 'grad_cam'?)"
    assert did_you_mean("xyz", known) == ""


def test_a_name_is_one_line() -> None:
    assert printable("größe 猫\n\t.jpg") == r"größe 猫\x0a\x09.jpg"


def test_a_path_survives_being_stored() -> None:
    for path in ("größe/猫.jpg", "caf\udce9.jpg"):
        assert path_text(path_bytes(path)) == path


def test_messages_of_libraries_are_one_short_line() -> None:
    assert shortened(ValueError("a\n  b")) == "a b"
    assert shortened(KeyError()) == "KeyError"
    assert len(shortened("x" * 44_000)) == 200


def test_a_thousand_names_are_a_few_and_a_number() -> None:
    assert few([]) == ""
    assert few(["a", "b"], 2) == "a, b"
    assert few([f"class {n}" for n in range(1002)], 2) == "class 0, class 1 and 1,000 more"
    assert few(["a\nb"]) == r"a\x0ab"
