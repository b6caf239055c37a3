from __future__ import annotations

import pytest

from explanans.utils.text import path_bytes, path_text, printable, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe 猫.jpg", "größe 猫.jpg"),
        ("caf\udce9.jpg", r"caf\xe9.jpg"),
        ("\x1b[2J\x07\n", r"\x1b[2J\x07\n"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_cannot_be_printed_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert shown.encode("utf-8")


def test_a_path_survives_being_stored() -> None:
    for path in ("größe/猫.jpg", "caf\udce9.jpg"):
        assert path_text(path_bytes(path)) == path


def test_messages_of_libraries_are_one_short_line() -> None:
    assert shortened(ValueError("a\n  b")) == "a b"
    assert shortened(KeyError()) == "KeyError"
    assert len(shortened("x" * 44_000)) == 200
