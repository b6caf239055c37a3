"""Random damage for the fuzzer: bytes that are changed, cut or mixed, and JSON with other values in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st


@st.composite
def mutated(draw: Callable[..., Any], wholes: list[bytes]) -> bytes:
    """One of ``wholes`` with a few bytes changed, cut out, doubled or put in from another."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        count = draw(st.integers(1, 16))
        how = draw(st.sampled_from(("change", "cut", "end", "double", "splice")))
        if how == "change":
            content[place : place + count] = draw(st.binary(min_size=1, max_size=count))
        elif how == "cut":
            del content[place : place + count]
        elif how == "end":
            del content[place:]
        elif how == "double":
            content[place:place] = content[place : place + count]
        else:
            other = draw(st.sampled_from(wholes))
            content[place:] = other[min(place, len(other)) :]
    return bytes(content)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=12),
        st.sampled_from(["", "../x", "/etc/passwd", "os:system", "nan", "\x1b[31m", "\0", "\u202e", 0, -1, 1e308]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=5,
)


@st.composite
def with_another_value(draw: Callable[..., Any], whole: Any) -> Any:
    """A JSON record with one or two entries changed or taken out."""
    content = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 2))):
        inner, key = content, None
        while isinstance(inner, dict | list) and inner and (key is None or draw(st.booleans())):
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            outer, key = inner, draw(st.sampled_from(keys))
            inner = outer[key]
        if key is None:
            return draw(VALUES)
        if draw(st.integers(0, 4)) == 0:
            del outer[key]
        else:
            outer[key] = draw(VALUES)
    return content
