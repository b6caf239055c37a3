"""Docstrings as the site shows them: roles of reStructuredText, which editors know, become code."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`~?([^`]+)`")


def plain(text: str) -> str:
    """:class:`~a.b.C` becomes `C`; a name without a tilde stays whole."""
    return _ROLE.sub(lambda found: f"`{found[1].rsplit('.', 1)[-1] if '`~' in found[0] else found[1]}`", text)


class PlainRoles(Extension):
    """Rewrites every docstring as it is collected."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = plain(obj.docstring.value)
