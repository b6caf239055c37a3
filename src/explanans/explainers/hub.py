"""What was pushed to the Hugging Face hub, in a folder here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from explanans.errors import InputError
from explanans.utils.network import hub_or_cache

NAME = re.compile(r"[\w.-]+/[\w.-]+")
"""OWNER/NAME on the hub."""

OPTIONS = ("revision", "token", "cache_dir", "force_download", "local_files_only")
"""Of huggingface_hub's downloads, those that :func:`fetch` takes."""

# What the client's transport raises itself (requests' errors are OSErrors, httpx's are not).
_TRANSPORT: tuple[type[Exception], ...] = (OSError, HfHubHTTPError.__bases__[0])


def check_options(options: Iterable[str]) -> None:
    """Raises InputError where one is none of ``OPTIONS``."""
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise InputError(f"Explainer.from_pretrained: unknown arguments {unknown}; the hub's are {', '.join(OPTIONS)}.")


def fetch(name: str, files: list[str], **options: Any) -> Path:
    """The folder in the local cache that holds what was pushed as ``name``.

    What is cached already is not fetched again, a download that broke off goes on where it was, and without a network
    the cache alone answers.

    Args:
        name: OWNER/NAME.
        files: patterns of the files that are wanted.
        options: of ``OPTIONS``; ``revision`` is a branch, a tag or a commit's hash.

    Raises:
        InputError: no such name, revision or access; or the network failed and the cache has not the whole of it.
    """
    revision = options.get("revision")
    place = f"the hub at {constants.ENDPOINT}"
    reason = ""
    try:
        with nullcontext("") if options.get("local_files_only") else hub_or_cache() as reason:
            return Path(snapshot_download(name, allow_patterns=files, **options))
    except HFValidationError as error:
        raise InputError(
            f"explainer {name!r} is no folder here, nor can it be a name on the hub; give a folder that "
            "'explanans fit' saved, or OWNER/NAME."
        ) from error
    except GatedRepoError as error:
        raise InputError(
            f"explainer {name!r}: {place} gives it only to those who were admitted; ask on its page, then log in with "
            "'hf auth login' or pass token=…."
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(
            f"explainer {name!r} is no folder here, and {place} has none of that name that you may see; look at the "
            "spelling, and where it is private log in with 'hf auth login' or pass token=…."
        ) from error
    except RevisionNotFoundError as error:
        raise InputError(
            f"explainer {name!r} on {place} has no revision {revision!r}; give a branch, a tag or a commit's hash."
        ) from error
    except LocalEntryNotFoundError as error:
        wanted = "" if revision is None else f" in revision {revision!r}"
        raise InputError(
            f"explainer {name!r} is no folder here, the cache has not the whole of it{wanted}, and {place} was not "
            f"reached ({reason or _first_line(error.__cause__ or error)}). Go online, or give the folder of a copy."
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(f"explainer {name!r} could not be fetched: {_no_hub(place, error)}") from error
    except _TRANSPORT as error:
        raise InputError(
            f"explainer {name!r} could not be fetched from {place} ({_first_line(error)}). Repeat the call: it goes on "
            "where it stopped."
        ) from error


def published_text(name: str, file: str, *, revision: str | None = None, token: str | bool | None = None) -> str | None:
    """The text of a file as it is on the hub now; None where there is no such model, revision or file."""
    try:
        path = HfApi(token=token).hf_hub_download(name, file, revision=revision)
    except LocalEntryNotFoundError:
        # Not reached, which says nothing about what is there.
        raise
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError):
        return None
    return Path(path).read_text(encoding="utf-8")


@contextmanager
def pushing(name: str) -> Iterator[None]:
    """What can go wrong inside is told in words.

    Raises:
        InputError: ``name`` is not OWNER/NAME; the hub refuses or does not answer.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"repo_id={name!r} is no name on the hub; give OWNER/NAME.")
    place = f"the hub at {constants.ENDPOINT}"
    try:
        yield
    except HFValidationError as error:
        raise InputError(f"repo_id={name!r} is no name on the hub ({_first_line(error)}); give OWNER/NAME.") from error
    except HfHubHTTPError as error:
        if error.response is None or error.response.status_code not in (401, 403):
            raise InputError(f"{name} could not be pushed to {place} ({_first_line(error)}).") from error
        raise InputError(
            f"{place} refuses to have {name} written ({_first_line(error)}); log in with 'hf auth login' or pass "
            "token=…, of somebody who may write there."
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(f"{name} could not be pushed: {_no_hub(place, error)}") from error
    except (_TRANSPORT[1], ConnectionError, LocalEntryNotFoundError) as error:
        raise InputError(f"{name} could not be pushed: {place} was not reached ({_first_line(error)}).") from error


def _no_hub(place: str, error: Exception) -> str:
    """A captive portal answers every question with its page."""
    return (
        f"what answers for {place} does not speak as a hub does ({_first_line(error)}), perhaps the log-in page of "
        "this network; open it in a browser, then repeat."
    )


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0].rstrip(" .:")
