"""YAML from outside: nothing that runs, nothing that grows, no name twice."""

from __future__ import annotations

import re
from typing import Any

import yaml

from explanans.errors import InputError

MOST_VALUES = 100_000
"""With aliases a few hundred bytes can stand for billions of values ("billion laughs")."""


class _Loader(yaml.SafeLoader):
    """Plain values; 1e-5 is a number as in YAML 1.2, and a date is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in pairs if not tag.endswith((":timestamp", ":float"))]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)


def parse_yaml(text: str, where: str) -> Any:
    """The value of a YAML text.

    Raises:
        InputError: no YAML, a name twice in one mapping, or aliases that stand for too much; the message begins with
            ``where`` and has the line.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check(node, where, {}, ())
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        reason = error.problem or error.context
        raise InputError(f"{where}{line}: {reason}; this is no YAML. Mend that line.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        reason = "too many levels" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]
        raise InputError(f"{where}: {reason}; this is no YAML. Write plain names and values.") from error


def _check(node: yaml.Node, where: str, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """How many values a node stands for, with every alias written out."""
    if id(node) in sizes:
        return sizes[id(node)]
    if id(node) in above:
        raise InputError(f"{_at(node, where)}: an alias holds itself; write the values out.")
    size = 1
    inner = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        names: set[tuple[str, str]] = set()
        for key, value in node.value:
            name = (key.tag, str(key.value))
            if isinstance(key, yaml.ScalarNode) and name in names:
                raise InputError(f"{_at(key, where)}: {key.value!r} is given twice; leave one of them out.")
            names.add(name)
            size += _check(key, where, sizes, inner) + _check(value, where, sizes, inner)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_check(each, where, sizes, inner) for each in node.value)
    if size > MOST_VALUES:
        raise InputError(
            f"{_at(node, where)}: its aliases stand for more than {MOST_VALUES:,} values; write out what is needed."
        )
    sizes[id(node)] = size
    return size


def _at(node: yaml.Node, where: str) -> str:
    return f"{where}, line {node.start_mark.line + 1}"
