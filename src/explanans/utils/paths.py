"""One rule for paths that a person gives: any bytes that the system takes, ``~`` is the home folder, no NUL."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

from explanans.errors import InputError
from explanans.utils.text import nearest


def user_path(given: str | Path, what: str) -> Path:
    """A path as it was typed; a name that is not UTF-8 holds its bytes as surrogates, as Python gives them.

    Args:
        given: the path; "~" and "~somebody" at its beginning are home folders.
        what: the argument that it came by, for errors.

    Raises:
        InputError: it is empty, holds a NUL byte, or names the home of somebody whom this machine does not know.
    """
    text = str(given)
    if not text or "\0" in text:
        fault = "has a NUL byte, which no file name can have" if text else "is empty"
        raise InputError(f"{what}={text!r} {fault}; give the path of a file or folder.")
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{what}={text!r}: {text.split('/')[0]} is the home folder of nobody here; write the path out."
        ) from error


def local_path(given: str) -> Path | None:
    """The path that an argument names on this machine; None for an address of another place.

    A file:// address may be written as it is on disk or with its special characters encoded.
    """
    scheme, separator, rest = given.partition("://")
    if not separator:
        return Path(given)
    if scheme.lower() != "file":
        return None
    raw = Path(rest)
    return raw if raw.exists() else Path(urllib.parse.unquote(rest))


def refuse_address(path: Path, argument: str) -> None:
    """Raises InputError for s3://bucket/masks, of which a path would make the folder ``s3:`` here."""
    first = path.parts[0] if path.parts else ""
    if len(first) > 2 and first.endswith(":") and not Path(first).exists():
        raise InputError(
            f"{argument}={path} is an address; this is written to this machine: name a folder or file, and copy it "
            "there when it is finished. Only the shards of explain are written into object storage."
        )


def near_path(given: str | Path) -> str:
    """ " (did you mean 'runs/classifier'?)" for a path that does not exist, where the first part of it that is missing
    is spelt much like what is there; else nothing."""
    path = Path(given)
    if path.exists():
        return ""
    for folder, part in zip(path.parents, (path, *path.parents), strict=False):
        if folder.is_dir():
            try:
                near = nearest(part.name, [each.name for each in folder.iterdir()])
            except OSError:
                return ""
            whole = folder / near / path.relative_to(part)
            return f" (did you mean {str(whole if whole.exists() else folder / near)!r}?)" if near else ""
    return ""
