"""What docstrings say in roles is plain code on the site."""

from __future__ import annotations

import pytest

pytest.importorskip("griffe", reason="needs mkdocstrings-python, which is not installed")

from site_docstrings import plain


def test_roles_become_code() -> None:
    text = "Of :class:`~a.b.C`, see :func:`a.b.c` and ``:not:`` `x`; :data:`a.D`."
    assert plain(text) == "Of `C`, see `a.b.c` and ``:not:`` `x`; `a.D`."
