from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

import pytest

from explanans.errors import InputError
from explanans.utils.locks import hold


@pytest.mark.skipif(sys.platform == "win32", reason="needs file locks")
def test_a_file_is_held_until_it_is_closed(tmp_path: Path) -> None:
    with (tmp_path / "held").open("ab") as first, (tmp_path / "held").open("ab") as second:
        hold(first, "busy")
        with pytest.raises(InputError, match="busy"):
            hold(second, "busy")
        first.close()
        hold(second, "busy")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
def test_a_fork_holds_nothing(tmp_path: Path) -> None:
    """A worker that outlives its killed parent must not keep the parent's folder."""
    with (tmp_path / "held").open("ab") as first, (tmp_path / "held").open("ab") as second:
        hold(first, "busy")
        context = multiprocessing.get_context("fork")
        begun, free = context.Event(), context.Event()
        child = context.Process(target=lambda: (begun.set(), free.wait()))
        child.start()
        begun.wait()
        # Still held by this process, though the child has let go.
        with pytest.raises(InputError, match="busy"):
            hold(second, "busy")
        first.close()
        hold(second, "busy")
        free.set()
        child.join()
        assert child.exitcode == 0
