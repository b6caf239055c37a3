"""A page to drop photos on, and the answers behind it.

``app`` joins the parts: ``uploads`` (bounded, looked at before they are decoded), ``model_thread`` (one thread, in
batches), ``kept_pictures`` (handles), ``json_answers``, ``page_files`` (the page in ``page/``), ``repeat_lines``
(what gives the same without a page); ``listening`` is the server around it. Needs the extra ``serve``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from explanans.deploy.serve.page_files import Sample
from explanans.deploy.serve.repeat_lines import Repeat, Who, repeat_lines
from explanans.deploy.serve.serving_limits import Limits
from explanans.errors import InputError

if TYPE_CHECKING:
    from explanans.deploy.serve.app import make_app
    from explanans.deploy.serve.listening import listen, open_socket

__all__ = ["Limits", "Repeat", "Sample", "Who", "listen", "make_app", "open_socket", "repeat_lines"]


def __getattr__(name: str) -> Any:
    """What needs the extra is imported when it is used, so that the command's help does without."""
    if name == "make_app":
        _check()
        from explanans.deploy.serve.app import make_app

        return make_app
    if name in ("listen", "open_socket"):
        _check()
        from explanans.deploy.serve import listening

        return getattr(listening, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _check() -> None:
    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise InputError(f"serving needs {' and '.join(missing)}; pip install 'explanans[serve]'.")
