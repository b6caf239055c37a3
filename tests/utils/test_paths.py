from __future__ import annotations

import os
from pathlib import Path

import pytest

from explanans.errors import InputError
from explanans.utils.paths import user_path


def test_home_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/pictures", "data") == tmp_path / "pictures"
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / name).mkdir()
    assert user_path(tmp_path / name, "data").is_dir()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "data='' is empty; give the path"),
        ("a\0b", "has a NUL byte, which no file name can have"),
        ("~nobody-of-that-name/x", "~nobody-of-that-name is the home folder of nobody here; write the path out"),
    ],
)
def test_what_is_no_path(given: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        user_path(given, "data")
